package ftp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// answerTimeout is how long a client may take to accept an answer.
const answerTimeout = 30 * time.Second

// maxShown is how much of a path an answer shows.
const maxShown = 1000

// answer is what the client gets in the place of the library's answer to NOOP.
type answer struct {
	text string
	then func() // when it is sent; may be nil
}

// failure is what the client is told of what went wrong.
type failure struct {
	code int
	text string
}

func (f *failure) String() string { return strconv.Itoa(f.code) + " " + f.text }

// Error implements error, for the transfer's record.
func (f *failure) Error() string { return f.text }

// transfer is a command with a data connection, from when the library gets it to its last answer.
type transfer struct {
	verb, path string
	start      int64 // of REST
	began      time.Time
	bytes      atomic.Int64
	done       chan struct{} // closed after the last answer

	// Guarded by the session's mu.
	opened bool // there is a data connection
	secure bool // it is encrypted
	open   bool // the file is
	late   bool // the record waits for the file to be closed
	err    error
	least  int64 // how many bytes must come, as ALLO said

	listing []byte // what LIST or MLSD sends
}

// fail keeps the first error. Called with the session's mu.
func (t *transfer) fail(err error) {
	if err != nil && t.err == nil {
		t.err = err
	}
}

// failed notes why the transfer that runs goes wrong.
func (c *session) failed(t *transfer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != nil {
		t.fail(err)
	}
}

// current is the transfer that runs; nil if none does.
func (c *session) current() *transfer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transfer
}

func (c *session) beginTransfer(verb, param string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &transfer{verb: verb, path: param, began: time.Now(), done: make(chan struct{}), secure: c.private}
	if verb == "RETR" || verb == "STOR" { // the others begin where they must
		t.start = c.start
	}
	if verb == "STOR" || verb == "APPE" || verb == "STOU" {
		t.least, c.allocated = c.allocated, 0
	}
	c.transfer = t
	c.srv.transfers.Add(1)
}

// endTransfer lets other commands have their turn. What was aborted is not over yet: its record comes when the file is closed.
// Called with mu.
func (c *session) endTransfer(t *transfer) {
	c.transfer = nil
	close(t.done)
	c.srv.transfers.Add(-1)
	if t.late = t.open; !t.late {
		c.record(t)
	}
}

// fileOpened and fileClosed say when a transfer has a file, and at which offset it begins. Between them the session is in use.
func (c *session) fileOpened(t *transfer, offset int64) {
	c.retain()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t != nil {
		t.open = true
		t.least -= offset
	}
}

func (c *session) fileClosed(t *transfer) {
	defer c.release()
	c.mu.Lock()
	if t != nil {
		if t.open = false; t.late {
			c.record(t)
		}
	}
	c.mu.Unlock()
	c.writeRecords()
}

// doubt is how long the end of an upload in clear may be that of the client: the system of one that was killed ends its
// connections one after the other, in any order. Every upload waits for it, unless ALLO has said how long it is.
const doubt = 500 * time.Microsecond

// interrupted says why an upload whose data have ended is not the whole file; nil if nothing speaks against it. In clear, the
// end of the data is the end of the connection, which comes also when the client dies; but then its commands end, too.
func (c *session) interrupted(t *transfer) error {
	if t == nil {
		return nil
	}
	gone, n := false, t.bytes.Load()
	if said := t.least > 0 && n >= t.least; !t.secure && !said {
		gone = hungUp(c.raw, doubt)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case gone:
		t.fail(errConnection)
	case n < t.least:
		t.fail(errShort)
	}
	return t.err
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
		line := strings.TrimSuffix(string(c.out[:i]), "\r")
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

// startTLS is called when the client has its leave to begin. The handshake comes with the next Read.
func (c *session) startTLS() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginTLS()
}

// beginTLS is called with mu, or before anybody else knows of the session.
func (c *session) beginTLS() {
	c.tls = c.srv.sessionTLS()
	c.stream, c.shaken, c.secure = tls.Server(c.raw, c.tls), false, true
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
	case c.verb == "STAT" && strings.HasPrefix(line, " %s"): // a slip of the library
		return " " + line[len(" %s"):], nil
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
			return "425 No port is free for a data connection, try again later.", func() { c.log.Warn("no passive port", "error", err) }
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

var (
	errAborted    = errors.New("aborted by the client")
	errConnection = errors.New("connection lost")
	errShort      = errors.New("shorter than the client said")
)

// failureOf says what went wrong with what has that path; "" for what everybody knows. No error's own text is in it, as it
// may hold paths that are nobody's business.
func (c *session) failureOf(path string, err error) *failure {
	f, known := c.wordsFor(path, err)
	if !known {
		c.log.Warn("a file cannot be served", "path", path, "error", err)
	}
	return f
}

const localError = "local error"

// wordsFor is failureOf without a record, which is wanted if the error is not known. It may be called with mu.
func (c *session) wordsFor(path string, err error) (f *failure, known bool) {
	if told, ok := errors.AsType[*failure](err); ok {
		return told, true
	}
	code, reason := c.brokenOff(err)
	if code == 0 {
		code, reason = reasonOf(err)
	}
	if known = code != 0; !known {
		code, reason = 451, localError
	}
	if path == "" {
		return &failure{code, sentence(reason)}, known
	}
	if len(path) > maxShown {
		path = path[:maxShown] + "…"
	}
	return &failure{code, strings.ReplaceAll(path, "\n", "\x00") + ": " + reason + "."}, known
}

// brokenOff says why a transfer had to end; code 0 is for another reason.
func (c *session) brokenOff(err error) (code int, reason string) {
	switch {
	case errors.Is(err, errAborted):
		return 426, "transfer aborted"
	case errors.Is(err, errStop):
		return 426, "the server stops, transfer aborted"
	case errors.Is(err, errShort):
		return 426, "fewer bytes came than ALLO had said"
	case errors.Is(err, context.Canceled): // nobody hears it
		return 451, "the session ends"
	case errors.Is(err, errStalled):
		return 426, "nothing moved for " + c.srv.limits.stall.String() + ", transfer aborted"
	case errors.Is(err, errSlow):
		return 426, "too slow, transfer aborted"
	case errors.Is(err, errReuse):
		return 522, "the data connection must resume the TLS session of the control connection"
	case errors.Is(err, errTruncated), isNetwork(err):
		return 426, "data connection lost, transfer aborted"
	case errors.Is(err, errHandshake):
		return 522, "the TLS handshake of the data connection failed"
	}
	return 0, ""
}

// reasonOf says what is wrong with a file; code 0 is for what nobody has thought of.
func reasonOf(err error) (code int, reason string) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.code, refused.reason
	}
	for _, r := range reasons {
		if isAny(err, r.of...) {
			return r.code, r.text
		}
	}
	if isEscape(err) {
		return 550, noSuchFile
	}
	return 0, ""
}

const noSuchFile = "no such file or directory"

// reasons are what clients are told of errors; the first that fits counts.
var reasons = []struct {
	code int
	text string
	of   []error
}{
	{552, accounts.ErrTooLarge.Error(), []error{accounts.ErrTooLarge}},
	{552, "quota exceeded", []error{ftpserver.ErrStorageExceeded, accounts.ErrQuota}},
	{452, "no room left", []error{syscall.ENOSPC, syscall.EDQUOT}},
	{450, "busy, try again later", []error{plugins.ErrFull}},
	{550, "the file system is read-only", []error{syscall.EROFS}},
	{550, "the directory is not empty", []error{syscall.ENOTEMPTY}},
	{553, "no file can have that name", []error{syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ}},
	{550, "permission denied", []error{fs.ErrPermission}},
	{550, "it exists", []error{fs.ErrExist}},
	{550, noSuchFile, []error{syscall.ENOTDIR, syscall.ELOOP, fs.ErrNotExist}},
	{550, "it is a directory", []error{syscall.EISDIR}},
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isEscape says that a link leads out of the root. Package os has no name for it.
func isEscape(err error) bool { return bare(err).Error() == "path escapes from parent" }

func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || isAny(err, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded, errConnection) ||
		errors.As(err, new(tls.RecordHeaderError)) || errors.As(err, new(tls.AlertError))
}

// bare removes the operation and the paths that the caller knows.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if r, n := utf8.DecodeRuneInString(s); n > 0 {
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	return strings.ReplaceAll(s, "\n", "\x00") + "."
}
