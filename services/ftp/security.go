package ftp

import (
	"slices"
	"strings"
	"time"
)

func (c *session) doUSER(_, name string) string {
	switch {
	case c.srv.mode == tlsRequire && !c.isSecure():
		c.log.Warn("login refused", "user", name, "tls", false, "reason", "TLS is required")
		return c.answer("530 TLS is required here: send AUTH TLS first.")
	case name == "":
		return c.answer("501 USER of what name?")
	}
	return c.inTurn(func() string {
		c.logout()
		c.mu.Lock()
		c.name = name
		c.mu.Unlock()
		return "USER " + name
	})
}

// doREIN begins anew, under TLS if there is any (RFC 959 section 4.1.1).
func (c *session) doREIN(_, _ string) string {
	return c.inTurn(func() string {
		c.logout()
		c.mu.Lock()
		c.ascii, c.hash = false, defaultHash
		c.unheard = 2
		c.mu.Unlock()
		return "TYPE I\r\nOPTS HASH " + defaultHash + "\r\n" + c.answer("220 Ready for a user.")
	})
}

// logout forgets who the client is, and what it has said as that. No transfer runs.
func (c *session) logout() {
	c.mu.Lock()
	u := c.user
	c.user, c.name, c.told, c.allocated = nil, "", nil, 0
	c.active, c.epsvOnly, c.idle = noAddr, false, c.srv.limits.idle
	if u != nil {
		c.stranger = time.Now()
	}
	c.mu.Unlock()
	if u == nil {
		return
	}
	c.endData()
	c.context.SetPath("/")
	c.log.Info("logout", "user", u.name)
	u.leave()
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
	case c.hasUser():
		return c.answer("503 AUTH TLS comes before the login; REIN ends this one.")
	case len(c.in) > 0 || len(c.queue) > 0:
		// Whoever is between us and the client could have put it there (CVE-2011-0411).
		return c.answer("503 Wait for the answer to AUTH.")
	}
	c.mu.Lock()
	c.name = "" // it may be of somebody between us and the client, and so the session that its password would open (RFC 4217)
	c.mu.Unlock()
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
