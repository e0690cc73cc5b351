package ftp

import (
	"slices"
	"strings"
)

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
