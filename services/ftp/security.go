package ftp

import (
	"slices"
	"strings"
)

func (c *session) doUSER(_, name string) string {
	c.mu.Lock()
	secure, in := c.secure, c.user != nil
	c.name = name
	c.mu.Unlock()
	switch {
	case in:
		return c.answer("530 You are logged in; another user needs another connection.")
	case c.srv.mode == tlsRequire && !secure:
		c.log.Warn("login refused", "user", name, "tls", false, "reason", "TLS is required")
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
