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

// record is what becomes of a transfer when it has ended, called with the session's mu: listings leave no record.
func (c *session) record(t *transfer) {
	u := c.user
	upload := t.verb != "RETR"
	if t.verb == "LIST" || t.verb == "NLST" || t.verb == "MLSD" || u == nil {
		return
	}
	name := t.path
	if !path.IsAbs(name) && c.context != nil {
		name = path.Join(c.context.Path(), name)
	}
	name = path.Clean(name)
	took := time.Since(t.began)
	level, result := slog.LevelInfo, "complete"
	if t.err != nil {
		level, result = slog.LevelWarn, c.outcome(t.err)
	}
	what := "download"
	if upload {
		what = "upload"
	}
	n := t.bytes.Load()
	c.log.LogAttrs(c.ctx, level, what, slog.String("user", u.name), slog.String("path", name), slog.String("command", t.verb),
		slog.Int64("bytes", n), slog.Duration("duration", took.Round(time.Microsecond)), slog.Bool("tls", c.private), slog.String("result", result))
	if c.srv.xferlog == nil {
		return
	}
	line := xferline(xfer{end: time.Now(), took: took, client: c.xferClient(), bytes: n, path: name, upload: upload, user: u.name, anonymous: u.anonymous, complete: t.err == nil})
	if _, err := c.srv.xferlog.Write([]byte(line)); err != nil {
		c.log.Error("xferlog not written", "error", err)
	}
}

// outcome is the result of a transfer in words that the client gets, too.
func (c *session) outcome(err error) string {
	text := c.failureOf("", err).text
	if text == "Local error." { // ours, or in the words of a failure before
		return err.Error()
	}
	return strings.TrimSuffix(text, ".")
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
