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

func (c *session) isASCII() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ascii
}

// doREST keeps the offset from the library, which would hold it until a transfer, whatever comes before (RFC 3659 section 5.3
// wants it to come next).
func (c *session) doREST(_, offset string) string {
	n, ok := parseCount(offset)
	switch {
	case !ok:
		return c.answer("501 REST of how many bytes?")
	case c.isASCII():
		return c.answer("501 REST is for TYPE I.")
	}
	c.mu.Lock()
	c.offset = n
	c.mu.Unlock()
	return c.answer("350 The next transfer begins there.")
}

// parseCount takes a number without a sign.
func parseCount(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strings.Trim(s, "0123456789") == ""
}

// doTransfer is RETR and STOR, which begin where REST said.
func (c *session) doTransfer(verb, param string) string {
	c.mu.Lock()
	wrong := c.start > 0 && c.ascii
	c.mu.Unlock()
	if wrong {
		return c.answer("554 REST is for TYPE I.")
	}
	return needsParam(c, verb, param)
}

// doALLO remembers the size of the next upload, and says if there is no room for it.
func (c *session) doALLO(_, param string) string {
	size, record, _ := strings.Cut(param, " ") // "R n" is for files with a structure
	n, ok := parseCount(size)
	if !ok || record != "" && !strings.HasPrefix(strings.ToUpper(record), "R ") {
		return c.answer("501 ALLO of how many bytes?")
	}
	return c.answerInTurn(func() string {
		room, err := c.files().room()
		if err == nil && room >= 0 && room < n {
			return "552 Quota exceeded."
		}
		if free, freeErr := c.files().GetAvailableSpace(c.context.Path()); freeErr == nil && free < n {
			return "452 No room left."
		}
		c.mu.Lock()
		c.allocated = n
		c.mu.Unlock()
		return c.result("200 There is room.", err)
	})
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

// doSTAT lets the library wait for that goroutine. With options of ls alone it lists, as LIST would.
func (c *session) doSTAT(verb, param string) string {
	if path := withoutOptions(param); path != "" {
		return verb + " " + path
	}
	switch {
	case param != "":
		return verb + " ."
	case c.current() != nil:
		return verb
	}
	return c.inTurn(func() string { return verb })
}

// doRNTO wants RNFR to be the command before, and to have been right (RFC 959 section 4.1.3). The library would take the last
// one that was.
func (c *session) doRNTO(verb, param string) string {
	c.mu.Lock()
	ready := c.renaming
	c.renaming = false
	c.mu.Unlock()
	if !ready {
		return c.answer("503 RNFR comes first.")
	}
	return needsParam(c, verb, param)
}
