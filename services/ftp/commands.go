package ftp

import (
	"maps"
	"strconv"
	"strings"
)

// A command that the session answers itself goes to the library as NOOP, whose answer is then exchanged: so it has its
// turn among the others.
const noop = "NOOP"

// command is what becomes of a command.
type command struct {
	open     bool // before the login, too
	absent   bool // is not to be had
	transfer bool // has a data connection
	between  bool // may stand between REST and the transfer that REST is about
	// do returns the line for the library. Nil passes the command on as it is.
	do func(c *session, verb, param string) string
	// feature is its line in the answer to FEAT, "" if it has none now. Nil is none.
	feature func(c *session) string
}

// newCommands returns the commands that there are.
func newCommands() map[string]command {
	all := map[string]command{}
	for _, group := range []map[string]command{loginCommands(), sessionCommands(), dataCommands(), transferCommands(), directoryCommands(), fileCommands(), sumCommands()} {
		maps.Copy(all, group)
	}
	for _, verb := range []string{"SMNT", "ADAT", "CCC", "CONF", "ENC", "MIC", "LANG", "COMB", "MFCT", "MFF"} {
		all[verb] = command{open: true, absent: true, do: says("502 %s is not to be had here.")}
	}
	return all
}

func loginCommands() map[string]command {
	return map[string]command{
		"USER": {open: true, do: (*session).doUSER},
		"PASS": {open: true, do: (*session).doPASS},
		"ACCT": {do: says("202 Not needed here.")},
		"REIN": {open: true, do: (*session).doREIN},
		"AUTH": {open: true, do: (*session).doAUTH, feature: underTLS("AUTH TLS")},
		"PBSZ": {open: true, between: true, do: (*session).doPBSZ, feature: underTLS("PBSZ")},
		"PROT": {open: true, between: true, do: (*session).doPROT, feature: underTLS("PROT")},
		"QUIT": {open: true},
	}
}

func sessionCommands() map[string]command {
	return map[string]command{
		noop:   {open: true},
		"SYST": {open: true},
		"FEAT": {open: true, do: (*session).doFEAT},
		"HELP": {open: true, do: (*session).doHELP},
		"OPTS": {open: true, do: (*session).doOPTS, feature: always("UTF8")},
		"CLNT": {open: true, feature: always("CLNT")},
		"HOST": {open: true, do: says("220 There is one host here.")},
		"STAT": {do: (*session).doSTAT},
		"SITE": {do: (*session).doSITE},
		"AVBL": {feature: always("AVBL")},
	}
}

func dataCommands() map[string]command {
	return map[string]command{
		"PASV": {between: true, do: (*session).doPASV, feature: always("PASV")},
		"EPSV": {between: true, do: (*session).doEPSV, feature: always("EPSV")},
		"PORT": {between: true, do: (*session).doPORT},
		"EPRT": {between: true, do: (*session).doPORT, feature: always("EPRT")},
		"ABOR": {do: (*session).doABOR},
		"TYPE": {between: true, do: (*session).doTYPE},
		"STRU": {do: (*session).doSTRU},
		"MODE": {do: (*session).doMODE},
	}
}

func transferCommands() map[string]command {
	return map[string]command{
		"REST": {do: (*session).doREST, feature: always("REST STREAM")},
		"ALLO": {do: (*session).doALLO},
		"RETR": {transfer: true, do: (*session).doTransfer},
		"STOR": {transfer: true, do: (*session).doTransfer},
		"APPE": {transfer: true, do: needsParam},
		"STOU": {transfer: true, do: (*session).doSTOU},
	}
}

func directoryCommands() map[string]command {
	return map[string]command{
		"LIST": {transfer: true, do: (*session).doLIST},
		"NLST": {transfer: true, do: (*session).doLIST},
		"MLSD": {transfer: true},
		"MLST": {feature: always("MLST " + mlstFacts)},
		"PWD":  {feature: always("TVFS")},
		"XPWD": {},
		"CWD":  {do: needsParam},
		"XCWD": {do: needsParam},
		"CDUP": {},
		"XCUP": {do: func(*session, string, string) string { return "CDUP" }},
		"MKD":  {do: needsParam},
		"XMKD": {do: needsParam},
		"RMD":  {do: needsParam},
		"XRMD": {do: needsParam},
	}
}

func fileCommands() map[string]command {
	return map[string]command{
		"SIZE": {do: (*session).doSIZE, feature: always("SIZE")},
		"MDTM": {do: needsParam, feature: always("MDTM")},
		"MFMT": {do: (*session).doMFMT, feature: always("MFMT")},
		"DELE": {do: needsParam},
		"RNFR": {do: needsParam},
		"RNTO": {do: (*session).doRNTO},
	}
}

func sumCommands() map[string]command {
	return map[string]command{
		"HASH":    {do: (*session).doHASH, feature: (*session).hashFeature},
		"XCRC":    {do: (*session).doSum, feature: always("XCRC")},
		"MD5":     {do: (*session).doSum, feature: always("MD5")},
		"XMD5":    {do: (*session).doSum, feature: always("XMD5")},
		"XSHA":    {do: (*session).doSum, feature: always("XSHA")},
		"XSHA1":   {do: (*session).doSum, feature: always("XSHA1")},
		"XSHA256": {do: (*session).doSum, feature: always("XSHA256")},
		"XSHA512": {do: (*session).doSum, feature: always("XSHA512")},
	}
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
	known, found := c.srv.commands[verb]
	c.begin(verb, known.between)
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

// begin forgets what was about the command before. between says that REST is not about this one, but may be about the next.
func (c *session) begin(verb string, between bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transfer != nil {
		return // verb is about the transfer
	}
	c.verb, c.failure = verb, nil
	c.renaming = c.renaming && verb == "RNTO"
	if c.start = c.offset; !between {
		c.offset = 0
	}
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

// inTurn calls fn when the library is done with what came before, also with a transfer that was aborted. fn returns the next
// line for the library, or "" when it has said the answer.
func (c *session) inTurn(fn func() string) string {
	c.turn = fn
	return c.answer("")
}

// answerInTurn is inTurn for what ends with an answer.
func (c *session) answerInTurn(fn func() string) string {
	return c.inTurn(func() string {
		c.say(fn())
		return ""
	})
}

// result is text, or what is to be said of an error of files.
func (c *session) result(text string, err error) string {
	if err == nil {
		return text
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.explain("451 Local error.")
}
