package ftp

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"
)

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
	kind = strings.ToUpper(strings.ReplaceAll(kind, " ", ""))
	switch kind {
	case "I", "L8", "A", "AN":
	default:
		return c.answer("504 TYPE I or TYPE A.")
	}
	c.mu.Lock()
	c.ascii = kind[0] == 'A'
	c.mu.Unlock()
	return "TYPE " + kind
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
	if param = withoutOptions(param); param == "" {
		return verb
	}
	return verb + " " + param
}

// withoutOptions leaves what is behind "--" as it is.
func withoutOptions(param string) string {
	for strings.HasPrefix(param, "-") {
		option, rest, _ := strings.Cut(param, " ")
		if param = strings.TrimLeft(rest, " "); option == "--" {
			break
		}
	}
	return param
}

// doMFMT takes 14 digits, or a fraction of a second besides, and a name (RFC 3659 section 2.3).
func (c *session) doMFMT(verb, param string) string {
	stamp, name, _ := strings.Cut(param, " ")
	digits, _, _ := strings.Cut(stamp, ".")
	_, err := time.Parse(stampMLSD, stamp)
	switch {
	case err != nil || len(digits) != len(stampMLSD):
		return c.answer("501 Not a time of 14 digits such as 20200131235959.")
	case name == "":
		return c.answer("501 " + verb + " of what?")
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
