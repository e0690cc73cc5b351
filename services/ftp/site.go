package ftp

import (
	"bytes"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// doSITE has what clients use of it. The library's CHOWN gives files to root, and its RMDIR is recursive.
func (c *session) doSITE(_, param string) string {
	switch name, rest := cut(param); name {
	case "CHMOD":
		return c.siteChmod(rest)
	case "HELP":
		return c.siteHelp()
	case "IDLE":
		return c.siteIdle(rest)
	case "UMASK":
		return c.siteUmask(rest)
	case "UTIME":
		return c.siteUtime(rest)
	case "":
		return c.answer("501 SITE what? SITE HELP has a list.")
	default:
		return c.answer("504 SITE " + strconv.Quote(name) + " is not to be had here; SITE HELP has a list.")
	}
}

func (c *session) siteHelp() string {
	return c.answer("214-SITE has\r\n" +
		" CHMOD mode path\r\n HELP\r\n IDLE [seconds]\r\n UMASK\r\n UTIME YYYYMMDDhhmmss path\r\n" +
		"214 and nothing else.")
}

// siteChmod takes permissions and nothing that would make a program run as somebody else.
func (c *session) siteChmod(param string) string {
	digits, name, _ := strings.Cut(param, " ")
	mode, err := strconv.ParseUint(digits, 8, 32)
	switch {
	case err != nil || name == "":
		return c.answer("501 SITE CHMOD 644 name, for example.")
	case mode > uint64(fs.ModePerm):
		return c.answer("504 A mode has three octal digits.")
	}
	return c.answerInTurn(func() string {
		f := c.files()
		return c.result("200 The mode is "+strconv.FormatUint(mode, 8)+".", f.Chmod(f.absolute(name), fs.FileMode(mode)))
	})
}

// siteIdle makes the client's patience its own, up to that of the server.
func (c *session) siteIdle(param string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := "200 You may be silent for " + c.idle.String() + "."
	if c.idle == 0 {
		text = "200 You may be silent for ever."
	}
	if param != "" {
		most := c.srv.limits.idle
		n, ok := parseCount(param)
		idle := plugins.Duration(n) * plugins.Duration(time.Second)
		switch {
		case !ok || n == 0 || n > int64(1<<31):
			text = "501 SITE IDLE of how many seconds?"
		case most > 0 && idle > most:
			text = "501 At most " + strconv.FormatInt(int64(time.Duration(most)/time.Second), 10) + " seconds."
		default:
			c.idle, text = idle, "200 You may be silent for "+idle.String()+"."
		}
	}
	c.pending = &answer{text: text}
	return noop
}

// siteUmask tells the mask of new files. To change it, for all clients, is not a client's business.
func (c *session) siteUmask(param string) string {
	if param != "" {
		return c.answer("504 The umask cannot be changed; SITE CHMOD is there.")
	}
	return c.answerInTurn(func() string {
		var mask string
		err := c.srv.env.Pool.Do(c.ctx, func() (err error) {
			mask, err = umask()
			return err
		})
		if err != nil {
			return "502 SITE UMASK is not to be had here."
		}
		return "200 The umask is " + mask + "."
	})
}

// umask returns the process's, octal. To ask the system elsewhere than on Linux would be to change it.
func umask() (string, error) {
	status, err := os.ReadFile("/proc/self/status") // proc_pid_status(5)
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(status) {
		if mask, ok := bytes.CutPrefix(line, []byte("Umask:\t")); ok {
			return string(bytes.TrimSpace(mask)), nil
		}
	}
	return "", errNotHere
}

// siteUtime is MFMT in the words of others: "time path", or "path accessed modified made UTC", of which the second is taken.
func (c *session) siteUtime(param string) string {
	stamp, name, _ := strings.Cut(param, " ")
	if words := strings.Split(param, " "); len(words) > 4 && strings.EqualFold(words[len(words)-1], "UTC") {
		at := len(words) - 4
		if _, err := parseStamp(words[at]); err == nil {
			stamp, name = words[at+1], strings.Join(words[:at], " ")
		}
	}
	modified, err := parseStamp(stamp)
	if err != nil || name == "" {
		return c.answer("501 SITE UTIME 20261231235959 name, for example.")
	}
	return c.answerInTurn(func() string {
		f := c.files()
		return c.result("200 The time is "+modified.Format(stampMLSD)+".", f.Chtimes(f.absolute(name), modified, modified))
	})
}

// parseStamp takes a time in UTC, to the minute or the second.
func parseStamp(s string) (time.Time, error) {
	if len(s) == len("202612312359") {
		s += "00"
	}
	return time.Parse(stampMLSD, s)
}

// files is what the user sees.
func (c *session) files() *files {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &files{session: c, user: c.user}
}
