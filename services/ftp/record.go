package ftp

import (
	"fmt"
	"log/slog"
	"math"
	"path"
	"strings"
	"time"
	"unicode"
)

// record is a transfer that has ended.
type record struct {
	xfer
	verb   string
	secure bool
	err    error
}

// record keeps what there is to say of a transfer that has ended, until writeRecords. Called with mu.
func (c *session) record(t *transfer) {
	u := c.user
	if u == nil {
		return
	}
	name := t.path
	if !path.IsAbs(name) && c.context != nil {
		name = path.Join(c.context.Path(), name)
	}
	name = path.Clean(name)
	now := time.Now()
	c.records = append(c.records, record{verb: t.verb, secure: t.secure, err: t.err, xfer: xfer{
		end: now, took: now.Sub(t.began), client: c.xferClient(), bytes: t.bytes.Load(), path: name, upload: t.verb != "RETR",
		user: u.name, anonymous: u.anonymous, complete: t.err == nil,
	}})
}

// writeRecords writes what record has kept. It is called without mu: a disk that hangs holds up the session and nobody else.
func (c *session) writeRecords() {
	c.mu.Lock()
	records := c.records
	c.records = nil
	c.mu.Unlock()
	for i := range records {
		c.write(&records[i])
	}
}

// write leaves no record of a listing, but of one that failed without the client being told why.
func (c *session) write(r *record) {
	if r.verb == "LIST" || r.verb == "NLST" || r.verb == "MLSD" {
		if r.err == nil {
			return
		}
		if _, known := c.wordsFor("", r.err); !known {
			c.log.Warn("a listing cannot be sent", "path", r.path, "error", r.err)
		}
		return
	}
	level, result := slog.LevelInfo, "complete"
	if r.err != nil {
		level, result = slog.LevelWarn, c.outcome(r.err)
	}
	what := "download"
	if r.upload {
		what = "upload"
	}
	c.log.LogAttrs(c.ctx, level, what, slog.String("user", r.user), slog.String("path", r.path), slog.String("command", r.verb),
		slog.Int64("bytes", r.bytes), slog.Duration("duration", r.took.Round(time.Microsecond)), slog.Bool("tls", r.secure), slog.String("result", result))
	if c.srv.xferlog == nil {
		return
	}
	if _, err := c.srv.xferlog.Write([]byte(xferline(r.xfer))); err != nil {
		c.log.Error("xferlog not written", "error", err)
	}
}

// outcome is the result of a transfer in words that the client gets, too.
func (c *session) outcome(err error) string {
	f, known := c.wordsFor("", err)
	if !known || f.text == sentence(localError) { // ours, or in the words of a failure before
		return err.Error()
	}
	return strings.TrimSuffix(f.text, ".")
}

func (c *session) xferClient() string {
	if c.remote.IsValid() {
		return c.remote.Addr().String()
	}
	return "localhost"
}

// xfer is one line of an xferlog.
type xfer struct {
	end       time.Time
	took      time.Duration
	client    string
	bytes     int64
	path      string
	upload    bool
	user      string
	anonymous bool
	complete  bool
}

// xferline has the form of wu-ftpd's xferlog(5), without a newline. Passwords, which anonymous users may have given as their
// address, are not in it.
func xferline(x xfer) string {
	direction, access, status := "o", "r", "i"
	if x.upload {
		direction = "i"
	}
	if x.anonymous {
		access = "a"
	}
	if x.complete {
		status = "c"
	}
	return fmt.Sprintf("%s %d %s %d %s b _ %s %s %s ftp 0 * %s",
		x.end.Format("Mon Jan _2 15:04:05 2006"), int64(math.Ceil(x.took.Seconds())), x.client, x.bytes, field(x.path), direction, access, field(x.user), status)
}

// field puts a "_" where a blank would begin another field or a control character another line.
func field(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
}
