package ftp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const defaultHash = "SHA-256"

// hashes are the algorithms of HASH.
func hashes() []string { return []string{"CRC32", "MD5", "SHA-1", "SHA-256", "SHA-512"} }

// mlstFacts are what MLST and MLSD tell; the library knows no others.
const mlstFacts = "Type*;Size*;Modify*;"

// always is a feature that is there.
func always(text string) func(*session) string { return func(*session) string { return text } }

// underTLS is a feature of servers that have TLS.
func underTLS(text string) func(*session) string {
	return func(c *session) string {
		if c.srv.tls != nil && c.srv.mode != tlsOff || c.isSecure() {
			return text
		}
		return ""
	}
}

// hashFeature marks the selected algorithm.
func (c *session) hashFeature() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := "HASH "
	for _, name := range hashes() {
		if list += name; name == c.hash {
			list += "*"
		}
		list += ";"
	}
	return list
}

func (c *session) doFEAT(_, _ string) string {
	var features []string
	for _, known := range c.srv.commands {
		if known.feature == nil {
			continue
		}
		if text := known.feature(c); text != "" {
			features = append(features, text)
		}
	}
	slices.Sort(features)
	return c.answer("211-There is\r\n " + strings.Join(features, "\r\n ") + "\r\n211 all of this.")
}

func (c *session) doHELP(_, about string) string {
	if strings.EqualFold(strings.TrimSpace(about), "SITE") {
		return c.siteHelp()
	}
	const row = 10
	var verbs []string
	for _, verb := range slices.Sorted(maps.Keys(c.srv.commands)) {
		if !c.srv.commands[verb].absent {
			verbs = append(verbs, fmt.Sprintf("%-7s", verb))
		}
	}
	text := "214-The commands are\r\n"
	for line := range slices.Chunk(verbs, row) {
		text += " " + strings.TrimRight(strings.Join(line, " "), " ") + "\r\n"
	}
	return c.answer(text + "214 and no others.")
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
