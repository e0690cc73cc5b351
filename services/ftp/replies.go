package ftp

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// answerTimeout is how long a client may take to accept an answer.
const answerTimeout = 30 * time.Second

// answer is what the client gets in the place of the library's answer to NOOP.
type answer struct {
	text string
	then func() // when it is sent; may be nil
}

// Write implements net.Conn: it takes the library's answers and sends what becomes of them.
func (c *session) Write(p []byte) (int, error) {
	if !c.enter() {
		return 0, net.ErrClosed
	}
	defer c.release()
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	if c.mute {
		return len(p), nil
	}
	c.out = append(c.out, p...)
	var send []byte
	var then func()
	for {
		i := bytes.IndexByte(c.out, '\n')
		if i < 0 {
			break
		}
		line := oneLine(strings.TrimSuffix(string(c.out[:i]), "\r"))
		c.out = c.out[i+1:]
		text, after := c.reply(line)
		if after != nil {
			then = after
		}
		if text != "" {
			send = append(append(send, text...), "\r\n"...)
		}
	}
	if len(c.out) == 0 {
		c.out = nil
	}
	c.writeRecords()
	if err := c.send(send); err != nil {
		c.end(errConnection) // the library goes on with what it has read
		return 0, err
	}
	if then != nil {
		then()
	}
	return len(p), nil
}

// say sends an answer that the library knows nothing of.
func (c *session) say(text string) {
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	if c.mute {
		return
	}
	if err := c.send([]byte(text + "\r\n")); err != nil {
		c.log.Debug("answer not sent", "error", err)
	}
}

func (c *session) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	c.mu.Lock()
	stream := c.stream
	c.mu.Unlock()
	if err := c.shakeHands(stream); err != nil {
		return err
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(answerTimeout))
	_, err := stream.Write(p)
	return err
}

// reply decides what a line of the library becomes, and what is to be done once it is sent. "" sends nothing.
func (c *session) reply(line string) (string, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, final := codeOf(line)
	switch {
	case c.unheard > 0 && final:
		c.unheard--
		return "", nil
	case c.pending != nil && line == "200 OK":
		a := c.pending
		c.pending = nil
		return a.text, a.then
	case c.verb == "STAT" && strings.HasPrefix(line, " ") && strings.Contains(line, statMark): // of a file
		_, ours, _ := strings.Cut(line, statMark)
		return " " + ours, nil
	case !final && strings.HasPrefix(line, "Connected to "+statAddr):
		return "Connected to " + c.localName() + strings.TrimPrefix(line, "Connected to "+statAddr), nil
	case !final && len(line) > 3 && line[3] == '-' && line[0] >= '4' && line[0] <= '5':
		return "", nil // of an error of several lines, the last has another code
	case !final:
		return line, nil
	case code == 150:
		return c.begun(), nil
	case code == 227 || code == 229:
		return c.awaiting(line)
	case code == 350: // of RNFR
		c.renaming = true
	case code == 211 || code == 213: // STAT, also during a transfer
		return line, nil
	}
	if t := c.transfer; t != nil {
		return c.finish(t, code, line), nil
	}
	if code >= 400 {
		return c.explain(line), nil
	}
	return polite(code, c.verb, line), nil
}

// statAddr stands in STAT for the address that the client came to: the library knows that of one listener.
const statAddr = "(here)"

func (c *session) localName() string {
	if c.local.IsValid() {
		return c.local.String()
	}
	return "this machine"
}

// codeOf returns the code of an answer's last line; final is false for any other.
func codeOf(line string) (code int, final bool) {
	if len(line) < 4 || line[3] != ' ' {
		return 0, false
	}
	code, err := strconv.Atoi(line[:3])
	return code, err == nil && code >= 100
}

// begun is said when there is a data connection. Called with mu.
func (c *session) begun() string {
	t := c.transfer
	if t == nil {
		return "150 Here it comes."
	}
	t.opened = true
	c.wakeUp() // ABOR may be waiting
	if t.verb == "STOU" {
		return "150 FILE: " + t.path // RFC 1123 section 4.1.2.9
	}
	return "150 Here it comes."
}

// wakeUp lets Read look at its queue. Called with mu.
func (c *session) wakeUp() { _ = c.raw.SetReadDeadline(longAgo) }

// awaiting says where the data connection goes. Called with mu.
func (c *session) awaiting(line string) (string, func()) {
	port, extended := passivePort(line)
	d := c.srv.dataListener(port)
	if c.data != nil {
		_ = c.data.Close() // its port is perhaps the last one
	}
	c.data = d
	if d == nil {
		return "425 There is no data port.", nil
	}
	active := c.active
	c.active = noAddr
	if !active.IsValid() {
		if err := d.moveToRange(); err != nil {
			_ = d.Close()
			c.data = nil
			return "425 No port is free for a data connection, try again later.", func() { c.srv.noPort(c.ctx, err) }
		}
	}
	d.serve(c, active)
	switch {
	case active.IsValid():
		return "200 Ready to connect to you.", nil
	case extended:
		return fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", d.port), nil
	}
	return passiveReply(c.passive, d.port), nil
}

// finish is the end of a transfer. What the library calls a success is none if there was an error. Called with mu.
func (c *session) finish(t *transfer, code int, line string) string {
	var text string
	switch {
	case t.err != nil:
		f, _ := c.wordsFor("", t.err) // the record tells the rest
		text = f.String()
	case code < 400:
		text = "226 Done."
	case c.failure != nil:
		text = c.failure.String()
		t.err = c.failure
	default:
		text = c.explain(line)
		t.err = &failure{code, text[4:]}
	}
	c.failure = nil
	c.last = time.Now()
	c.wakeUp()
	c.endTransfer(t)
	return text
}

// explain puts words to what the library says has gone wrong. Called with mu.
func (c *session) explain(line string) string {
	if c.failure != nil {
		return c.failure.String()
	}
	_, text, _ := strings.Cut(line, " ")
	switch {
	case strings.Contains(text, "no transfer connection"), strings.HasPrefix(line, "425 ") && c.data == nil:
		return "425 Send PASV, EPSV, PORT or EPRT first."
	case strings.HasSuffix(text, "listing a file isn't allowed"):
		return "501 MLSD is for directories." // RFC 3659 section 7.2.1
	case strings.HasPrefix(line, "425 ") && c.data.hasExpired():
		return "425 Nobody came to the data port for " + c.srv.connect.String() + ", and it was closed: send PASV or EPSV again."
	case strings.HasPrefix(text, "Could not listen for passive connection"):
		return "425 No port is free for a data connection, try again later."
	case strings.HasPrefix(line, "425 "):
		return "425 There was no data connection."
	case strings.HasPrefix(text, "Unhandled internal error"):
		return "451 Internal error."
	}
	return line
}

// polite says in other words what the library's are about itself.
func polite(code int, verb, line string) string {
	switch {
	case code == 331:
		return "331 And the password?"
	case code == 350 && verb == "RNFR":
		return "350 And the new name?"
	case code == 250 && verb == "RNTO":
		return "250 Renamed."
	case code == 200 && verb == "CLNT":
		return "200 Noted."
	}
	return line
}
