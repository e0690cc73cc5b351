package ftp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
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
	case "SIZE", "MDTM", "MFMT", "DELE", "RNFR", "RNTO", "CWD", "XCWD", "MKD", "XMKD", "RMD", "XRMD",
		"HASH", "XCRC", "MD5", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512":
		return command{do: needsParam}, true
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

// cut divides a line into the command, in capitals, and its parameter. Clients send ABOR, STAT and QUIT behind the signals
// of Telnet, which clean has removed.
func cut(line string) (verb, param string) {
	verb, param, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	return strings.ToUpper(verb), param
}

// isUrgent says whether a command is worked on while a transfer runs.
func isUrgent(line string) bool {
	verb, param := cut(line)
	return verb == "ABOR" || verb == "STAT" && param == ""
}

// clean removes the end of the line, what Telnet puts before urgent commands (RFC 959 section 4.1.3, RFC 854), and the NUL
// behind a CR (RFC 2640 section 3.1). Any other NUL stands for a newline in a name, as in vsftpd.
func clean(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if !bytes.ContainsAny(line, "\xff\r") {
		return line
	}
	const iac, will, dont, firstCommand = 255, 251, 254, 240
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case b == '\r':
			if out = append(out, b); i+1 < len(line) && line[i+1] == 0 {
				i++
			}
		case b != iac:
			out = append(out, b)
		case i+1 < len(line) && line[i+1] == iac:
			out = append(out, iac)
			i++
		case i+1 < len(line) && line[i+1] >= will && line[i+1] <= dont:
			i += 2
		case i+1 < len(line) && line[i+1] >= firstCommand:
			i++
		}
	}
	return out
}

func (c *session) doUSER(_, name string) string {
	c.mu.Lock()
	secure, in := c.secure, c.user != nil
	c.name = name
	c.mu.Unlock()
	switch {
	case in:
		return c.answer("530 You are logged in; another user needs another connection.")
	case c.srv.mode == tlsRequire && !secure:
		return c.answer("530 TLS is required here: send AUTH TLS first.")
	case name == "":
		return c.answer("501 USER of what name?")
	}
	return "USER " + name
}

func (c *session) doPASS(_, password string) string {
	c.mu.Lock()
	name, in := c.name, c.user != nil
	c.mu.Unlock()
	switch {
	case in:
		return c.answer("202 You are logged in.")
	case name == "" || c.srv.mode == tlsRequire && !c.isSecure():
		return c.answer("503 USER comes first.")
	}
	return "PASS " + password
}

func (c *session) isSecure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secure
}

func (c *session) doAUTH(_, method string) string {
	switch {
	case c.srv.tls == nil || c.srv.mode == tlsOff:
		return c.answer("502 There is no TLS here.")
	case !slices.Contains([]string{"TLS", "TLS-C", "SSL", "TLS-P"}, strings.ToUpper(method)):
		return c.answer("504 AUTH TLS is the only one here.")
	case c.isSecure():
		return c.answer("503 The connection is encrypted.")
	case len(c.in) > 0 || len(c.queue) > 0:
		// Whoever is between us and the client could have put it there (CVE-2011-0411).
		return c.answer("503 Wait for the answer to AUTH.")
	}
	return c.answerThen("234 Begin with TLS.", c.startTLS)
}

func (c *session) doPBSZ(_, size string) string {
	switch {
	case !c.isSecure():
		return c.answer("503 AUTH TLS comes first.")
	case strings.Trim(size, "0123456789") != "" || size == "":
		return c.answer("501 PBSZ 0, for example.")
	}
	return c.answer("200 PBSZ=0")
}

func (c *session) doPROT(_, level string) string {
	level = strings.ToUpper(level)
	switch {
	case !c.isSecure():
		return c.answer("503 AUTH TLS comes first.")
	case level == "C" && c.srv.mode == tlsRequire:
		return c.answer("534 Data connections must be encrypted here.")
	case level == "S" || level == "E":
		return c.answer("536 PROT P or PROT C.")
	case level != "P" && level != "C":
		return c.answer("504 PROT P or PROT C.")
	}
	c.mu.Lock()
	c.private = level == "P"
	c.mu.Unlock()
	if level == "P" {
		return c.answer("200 Data connections are encrypted.")
	}
	return c.answer("200 Data connections are in clear.")
}

const defaultHash = "SHA-256"

// hashes are the algorithms of HASH.
func hashes() []string { return []string{"CRC32", "MD5", "SHA-1", "SHA-256", "SHA-512"} }

// mlstFacts are what MLST and MLSD tell; the library knows no others.
const mlstFacts = "Type*;Size*;Modify*;"

func (c *session) doFEAT(_, _ string) string {
	c.mu.Lock()
	selected := c.hash
	c.mu.Unlock()
	features := []string{"CLNT", "EPRT", "EPSV"}
	if c.srv.tls != nil && c.srv.mode != tlsOff || c.isSecure() {
		features = append([]string{"AUTH TLS"}, append(features, "PBSZ", "PROT")...)
	}
	var list strings.Builder
	for _, name := range hashes() {
		list.WriteString(name)
		if name == selected {
			list.WriteByte('*')
		}
		list.WriteByte(';')
	}
	features = append(features, "HASH "+list.String(), "MDTM", "MFMT", "MLST "+mlstFacts, "PASV", "REST STREAM", "SIZE", "TVFS", "UTF8",
		"XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512")
	return c.answer("211-There is\r\n " + strings.Join(features, "\r\n ") + "\r\n211 all of this.")
}

func (c *session) doHELP(_, _ string) string {
	return c.answer("214-The commands are\r\n" +
		" ABOR ALLO APPE AUTH CDUP CLNT CWD  DELE EPRT EPSV FEAT HASH HELP\r\n" +
		" HOST LIST MDTM MFMT MKD  MLSD MLST MODE NLST NOOP OPTS PASS PASV\r\n" +
		" PBSZ PORT PROT PWD  QUIT REST RETR RMD  RNFR RNTO SIZE STAT STOR\r\n" +
		" STOU STRU SYST TYPE USER XCRC XMD5 XSHA1 XSHA256 XSHA512\r\n214 and no others.")
}

func (c *session) doOPTS(_, param string) string {
	name, value := cut(param)
	switch name {
	case "UTF8", "UTF-8":
		return c.answer("200 Names are UTF-8.")
	case "MLST":
		return c.answer("200 MLST OPTS " + strings.ReplaceAll(mlstFacts, "*", ""))
	case "HASH":
		i := slices.IndexFunc(hashes(), func(name string) bool { return strings.EqualFold(name, value) })
		switch {
		case !c.hasUser():
			return c.answer("530 Log in with USER and PASS.")
		case value == "":
			return "OPTS HASH"
		case i < 0:
			return c.answer("504 No such algorithm.")
		}
		c.mu.Lock()
		c.hash = hashes()[i]
		c.mu.Unlock()
		return "OPTS HASH " + hashes()[i]
	}
	return c.answer("501 There is no such option.")
}

func (c *session) doSTRU(_, structure string) string {
	if strings.EqualFold(structure, "F") {
		return c.answer("200 Files have no structure.")
	}
	return c.answer("504 STRU F is the only one.")
}

func (c *session) doMODE(_, mode string) string {
	if strings.EqualFold(mode, "S") {
		return c.answer("200 Stream mode.")
	}
	return c.answer("504 MODE S is the only one.")
}

func (c *session) doTYPE(_, kind string) string {
	switch strings.ToUpper(strings.ReplaceAll(kind, " ", "")) {
	case "I", "L8", "A", "AN":
		return "TYPE " + kind
	}
	return c.answer("504 TYPE I or TYPE A.")
}

func (c *session) doREST(_, offset string) string {
	n, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || n < 0 || strings.Trim(offset, "0123456789") != "" {
		return c.answer("501 REST of how many bytes?")
	}
	return "REST " + offset
}

// doSTOU makes a name that nobody has (RFC 1123 section 4.1.2.9: it is in the answer).
func (c *session) doSTOU(_, _ string) string { return "STOR upload-" + strings.ToLower(rand.Text()) }

// doLIST removes the options of ls, which clients send as if there were one.
func (c *session) doLIST(verb, param string) string {
	for strings.HasPrefix(param, "-") {
		_, param, _ = strings.Cut(param, " ")
		param = strings.TrimLeft(param, " ")
	}
	if param == "" {
		return verb
	}
	return verb + " " + param
}

// doABOR keeps from the library what comes when there is nothing to abort: it would answer while the goroutine of the
// transfer before may not be done with its answer, and the two share a buffer.
func (c *session) doABOR(verb, _ string) string {
	if c.current() == nil {
		return c.answer("226 There is nothing to abort.")
	}
	return verb
}

// doSTAT lets the library wait for that goroutine.
func (c *session) doSTAT(verb, param string) string {
	switch {
	case param != "":
		return verb + " " + param
	case c.current() != nil:
		return verb
	}
	return c.answer("") + "\r\n" + verb
}

// doPASV has an IPv4 address in its answer, or makes none.
func (c *session) doPASV(verb, _ string) string {
	c.mu.Lock()
	c.active = netip.AddrPort{}
	only := c.epsvOnly
	c.mu.Unlock()
	switch {
	case only:
		return c.answer("501 After EPSV ALL there is only EPSV.")
	case !c.passiveAddr().IsValid():
		return c.answer("425 PASV is for IPv4: use EPSV.")
	}
	return verb
}

// passiveAddr is the address that PASV tells, invalid if there is none.
func (c *session) passiveAddr() netip.Addr {
	addr, err := c.srv.publicIP.find(c.ctx, c.remote.Addr())
	if err != nil {
		c.log.Warn("no public address", "error", err)
	}
	if !addr.IsValid() {
		addr = c.local.Addr()
	}
	if !addr.Is4() || !c.remote.Addr().Unmap().Is4() {
		return netip.Addr{} // whoever came over IPv6 would come to the data connection as somebody else
	}
	return addr
}

func (c *session) doEPSV(verb, param string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = netip.AddrPort{}
	own := "1"
	if c.local.Addr().Is6() {
		own = "2"
	}
	switch {
	case strings.EqualFold(param, "ALL"):
		c.epsvOnly = true
		c.pending = &answer{text: "200 There is only EPSV from now on."}
		return noop
	case param != "" && param != own && c.local.IsValid():
		c.pending = &answer{text: "522 The network protocol is another, use (" + own + ")"} // RFC 2428 section 2
		return noop
	}
	return verb
}

// doPORT lets the library wait for a connection, while the session makes one to the client.
func (c *session) doPORT(verb, param string) string {
	parse := parsePORT
	if verb == "EPRT" {
		parse = parseEPRT
	}
	addr, ok := parse(param)
	if ok && addr.Addr().IsUnspecified() { // from lftp over IPv6: its own, as ever
		addr = netip.AddrPortFrom(c.remote.Addr().WithZone(""), addr.Port())
	}
	c.mu.Lock()
	only := c.epsvOnly
	c.mu.Unlock()
	switch {
	case only:
		return c.answer("501 After EPSV ALL there is only EPSV.")
	case !ok:
		return c.answer("501 That is not an address.")
	case addr.Addr() != c.remote.Addr().WithZone("") || addr.Port() < firstUserPort:
		// RFC 2577: else this server could be made to talk to others.
		c.log.Warn("active mode refused", "target", addr)
		return c.answer("501 Data connections go to your own address, and to no port below " + strconv.Itoa(firstUserPort) + ".")
	}
	c.mu.Lock()
	c.active = netip.AddrPortFrom(c.remote.Addr(), addr.Port())
	c.mu.Unlock()
	return "PASV"
}

// firstUserPort is the first port that does not belong to a service of the system.
const firstUserPort = 1024

// parsePORT takes h1,h2,h3,h4,p1,p2 (RFC 959 section 4.1.2).
func parsePORT(s string) (netip.AddrPort, bool) {
	fields := strings.Split(s, ",")
	if len(fields) != 6 {
		return netip.AddrPort{}, false
	}
	var b [6]byte
	for i, field := range fields {
		n, err := strconv.ParseUint(strings.TrimSpace(field), 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])), true
}

// parseEPRT takes |1|132.235.1.2|6275|, with any character in the place of the bar (RFC 2428 section 2).
func parseEPRT(s string) (netip.AddrPort, bool) {
	if s == "" {
		return netip.AddrPort{}, false
	}
	fields := strings.Split(s, s[:1])
	if len(fields) != 5 || fields[4] != "" || fields[1] != "1" && fields[1] != "2" {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(fields[2])
	port, err2 := strconv.ParseUint(fields[3], 10, 16)
	if err != nil || err2 != nil || port == 0 || addr.Is4() != (fields[1] == "1") || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}

// passiveReply is the answer to PASV.
func passiveReply(addr netip.Addr, port int) string {
	b := addr.As4()
	return fmt.Sprintf("227 Entering Passive Mode (%d,%d,%d,%d,%d,%d).", b[0], b[1], b[2], b[3], port>>8, port&0xff)
}
