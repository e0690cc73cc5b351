package ftp

import (
	"strconv"
	"strings"
)

// A command that the session answers itself goes to the library as NOOP, whose answer is then exchanged: so it has its
// turn among the others.
const noop = "NOOP"

// command is what becomes of a command.
type command struct {
	open     bool // before the login, too
	transfer bool // has a data connection
	// do returns the line for the library. Nil passes the command on as it is.
	do func(c *session, verb, param string) string
}

// commandTable returns the commands that there are.
func commandTable(verb string) (command, bool) {
	switch verb {
	case "USER":
		return command{open: true, do: (*session).doUSER}, true
	case "PASS":
		return command{open: true, do: (*session).doPASS}, true
	case "AUTH":
		return command{open: true, do: (*session).doAUTH}, true
	case "PBSZ":
		return command{open: true, do: (*session).doPBSZ}, true
	case "PROT":
		return command{open: true, do: (*session).doPROT}, true
	case "FEAT":
		return command{open: true, do: (*session).doFEAT}, true
	case "HELP":
		return command{open: true, do: (*session).doHELP}, true
	case "OPTS":
		return command{open: true, do: (*session).doOPTS}, true
	case "HOST":
		return command{open: true, do: says("220 There is one host here.")}, true
	case "SYST", "CLNT", noop, "QUIT":
		return command{open: true}, true
	case "STRU":
		return command{do: (*session).doSTRU}, true
	case "MODE":
		return command{do: (*session).doMODE}, true
	case "TYPE":
		return command{do: (*session).doTYPE}, true
	case "ALLO", "ACCT":
		return command{do: says("202 Not needed here.")}, true
	case "REST":
		return command{do: (*session).doREST}, true
	case "RETR", "STOR", "APPE":
		return command{transfer: true, do: needsParam}, true
	case "STOU":
		return command{transfer: true, do: (*session).doSTOU}, true
	case "LIST", "NLST":
		return command{transfer: true, do: (*session).doLIST}, true
	case "MLSD":
		return command{transfer: true}, true
	case "PASV":
		return command{do: (*session).doPASV}, true
	case "EPSV":
		return command{do: (*session).doEPSV}, true
	case "PORT", "EPRT":
		return command{do: (*session).doPORT}, true
	case "SIZE", "MDTM", "DELE", "RNFR", "RNTO", "CWD", "XCWD", "MKD", "XMKD", "RMD", "XRMD",
		"HASH", "XCRC", "MD5", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512":
		return command{do: needsParam}, true
	case "MFMT":
		return command{do: (*session).doMFMT}, true
	case "XCUP":
		return command{do: func(*session, string, string) string { return "CDUP" }}, true
	case "ABOR":
		return command{do: (*session).doABOR}, true
	case "STAT":
		return command{do: (*session).doSTAT}, true
	case "PWD", "XPWD", "CDUP", "MLST":
		return command{}, true
	case "SITE", "REIN", "SMNT", "ADAT", "CCC", "CONF", "ENC", "MIC", "LANG", "COMB", "AVBL", "MFCT", "MFF":
		return command{open: true, do: says("502 %s is not to be had here.")}, true
	}
	return command{}, false
}

// says returns the do of a command with one answer, in which %s is its name.
func says(text string) func(c *session, verb, param string) string {
	return func(c *session, verb, _ string) string { return c.answer(strings.ReplaceAll(text, "%s", verb)) }
}

func needsParam(c *session, verb, param string) string {
	if param == "" {
		return c.answer("501 " + verb + " of what?")
	}
	return verb + " " + param
}

// command decides what the library gets for a line. ok is false if that is nothing.
func (c *session) command(line string) (out string, ok bool) {
	verb, param := cut(line)
	if verb == "" {
		return c.answer("500 An empty command."), true
	}
	known, found := commandTable(verb)
	c.begin(verb)
	switch {
	case !found:
		return c.answer("500 " + strconv.Quote(verb) + " is not a command."), true
	case !known.open && !c.hasUser():
		return c.answer("530 Log in with USER and PASS."), true
	case known.transfer && c.mustProtect():
		return c.answer("521 Data connections must be encrypted here: send PBSZ 0 and PROT P."), true
	}
	if known.do != nil {
		out = known.do(c, verb, param)
	} else if out = verb; param != "" {
		out += " " + param
	}
	if known.transfer && out != noop {
		_, param = cut(out)
		c.beginTransfer(verb, param)
	}
	return out, true
}

// begin forgets what was about the command before.
func (c *session) begin(verb string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transfer != nil {
		return // verb is about the transfer
	}
	c.verb, c.failure = verb, nil
}

func (c *session) hasUser() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user != nil
}

// mustProtect says that a transfer would be in clear, and must not be.
func (c *session) mustProtect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.srv.mode == tlsRequire && !c.private
}

// answer makes text the answer to the command.
func (c *session) answer(text string) string { return c.answerThen(text, nil) }

// answerThen does something when the client has the answer.
func (c *session) answerThen(text string, then func()) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = &answer{text, then}
	return noop
}
