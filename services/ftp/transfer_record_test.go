package ftp_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// fields are those of a log record.
type fields map[string]string

// logged returns the records with that message, in order.
func logged(t testing.TB, log, message string) (list []fields) {
	t.Helper()
	pair := regexp.MustCompile(`([^ =]+)=("(?:[^"\\]|\\.)*"|[^ ]*)`)
	for line := range strings.SplitSeq(log, "\n") {
		record := fields{}
		for _, m := range pair.FindAllStringSubmatch(line, -1) {
			value := m[2]
			if strings.HasPrefix(value, `"`) {
				unquoted, err := strconv.Unquote(value)
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				value = unquoted
			}
			record[m[1]] = value
		}
		if record["msg"] == message {
			list = append(list, record)
		}
	}
	return list
}

// is compares a record with what it should say. Its time and session are its own; a value of "*" is anything.
func (f fields) is(t *testing.T, want fields) {
	t.Helper()
	for key, value := range want {
		if got, ok := f[key]; !ok || value != "*" && got != value {
			t.Errorf("%s of %v is %q, want %q", key, f, got, value)
		}
	}
	for key := range f {
		if _, ok := want[key]; !ok && !slices.Contains([]string{"time", "session", "service"}, key) {
			t.Errorf("%v has %s, too", f, key)
		}
	}
}

// ended lets all sessions end and waits for the service, so that all records are written.
func ended(t *testing.T, srv *plugintest.Server) {
	t.Helper()
	srv.Drain()
	if err := srv.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestLoginRecords says who came from where, how it ended and why, and that a session's records have its number.
func TestLoginRecords(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.off]\nenabled = false\n[users.carol]\nmax-sessions = 1\n")
	srv := plugintest.Start(t, ftp.PluginWith(accounts.GuardOptions{}), "--listen", anyPort, "--root", dir, "--users", file,
		"--auth", passwords(t, "alice", "off", "carol"), "--tls", "allow")
	var want []fields
	login := func(secure bool, name, password, answer string, record fields) {
		t.Helper()
		c := dial(t, srv.Addrs()[0])
		from := c.conn.LocalAddr().String()
		c.want("220")
		if secure {
			c.startTLS(trusting())
		}
		c.do("USER "+name, "331")
		c.do("PASS "+password, answer)
		record["client"], record["tls"] = from, strconv.FormatBool(secure)
		want = append(want, record)
	}
	login(false, "alice", password, "230", fields{"level": "INFO", "msg": "login", "user": "alice"})
	login(true, "alice", password, "230", fields{"level": "INFO", "msg": "login", "user": "alice"})
	login(false, "anonymous", "me@example.org", "230", fields{"level": "INFO", "msg": "login", "user": "anonymous"})
	login(false, "alice", "wr0ng", "530", fields{"level": "WARN", "msg": "login refused", "user": "alice", "reason": "wrong user or password"})
	login(true, "nobody", password, "530", fields{"level": "WARN", "msg": "login refused", "user": "nobody", "reason": "wrong user or password"})
	login(false, "off", password, "530", fields{"level": "WARN", "msg": "login refused", "user": "off", "reason": "the account is disabled"})
	login(false, "carol", password, "230", fields{"level": "INFO", "msg": "login", "user": "carol"})
	login(false, "carol", password, "421", fields{"level": "WARN", "msg": "login refused", "user": "carol", "reason": "*"})
	login(false, "a b\"c", password, "530", fields{"level": "WARN", "msg": "login refused", "user": `a b"c`, "reason": "wrong user or password"})
	ended(t, srv)
	seen := map[string]bool{}
	got := append(logged(t, srv.Log(), "login"), logged(t, srv.Log(), "login refused")...)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d:\n%s", len(got), len(want), srv.Log())
	}
	for _, record := range want {
		i := slices.IndexFunc(got, func(f fields) bool { return f["client"] == record["client"] })
		if i < 0 {
			t.Errorf("no record of %v:\n%s", record, srv.Log())
			continue
		}
		got[i].is(t, record)
		if id := got[i]["session"]; seen[id] || id == "" {
			t.Errorf("session %q of %v is another's", id, got[i])
		}
		seen[got[i]["session"]] = true
	}
}

// transferOf is a transfer of TestTransferRecords, and what is written of it.
type transferOf struct {
	name    string
	do      func(c *traveller)
	command string
	path    string
	bytes   string // the most for a transfer that is broken off, with "<=" before it
	result  string
	level   string
	line    string // of the xferlog: the direction, a for anonymous, how it ended, and a for ASCII if it is
}

// TestTransferRecords says of each transfer who did it, from where, with what, how much came, for how long, and how it ended.
func TestTransferRecords(t *testing.T) {
	base := map[string]string{"a b.txt": "abc", "sub/": ""}
	limit := filepath.Join(t.TempDir(), "users.toml")
	write(t, limit, "[anonymous]\npermissions = \"all\"\nmax-file-size = 100000\n")
	transfers := []transferOf{
		{"a download", func(c *traveller) { c.fetch("RETR a b.txt") }, "RETR", "/a b.txt", "3", "complete", "INFO", "o a c"},
		{"from a byte on", func(c *traveller) { c.do("REST 1", "350"); c.fetch("RETR /sub/../a b.txt") }, "RETR", "/a b.txt", "2", "complete", "INFO", "o a c"},
		{"an upload", func(c *traveller) { c.do("CWD sub", "250"); c.store("STOR new", "12345"); c.do("CDUP", "250") }, "STOR", "/sub/new", "5", "complete", "INFO", "i a c"},
		{"at the end", func(c *traveller) { c.store("APPE sub/new", "67") }, "APPE", "/sub/new", "2", "complete", "INFO", "i a c"},
		{"lines", func(c *traveller) {
			c.do("TYPE A", "200")
			c.store("STOR lines", "a\r\nb\r\n")
			c.do("TYPE I", "200")
		}, "STOR", "/lines", "6", "complete", "INFO", "i a c a"},
		{"nothing", func(c *traveller) { c.store("STOR empty", "") }, "STOR", "/empty", "0", "complete", "INFO", "i a c"},
		{"a name of the server's", func(c *traveller) { c.store("STOU", "x") }, "STOU", "/upload-*", "1", "complete", "INFO", "i a c"},
		{"a newline", func(c *traveller) { c.store("STOR new\x00line", "x") }, "STOR", "/new\nline", "1", "complete", "INFO", "i a c"},
		{"not there", func(c *traveller) { c.refuse("RETR nowhere", "550") }, "RETR", "/nowhere", "0", "/nowhere: no such file or directory", "WARN", "o a i"},
		{"a directory", func(c *traveller) { c.refuse("RETR sub", "550") }, "RETR", "/sub", "0", "/sub: it is a directory", "WARN", "o a i"},
		{"in a directory that is not there", func(c *traveller) { c.refuse("STOR nowhere/f", "550") }, "STOR", "/nowhere/f", "0", "*", "WARN", "i a i"},
		{"too large", func(c *traveller) {
			conn := c.over(c.begin("STOR huge"))
			_, _ = io.WriteString(conn, strings.Repeat("x", 100_001)) // the server may hang up in the middle
			_ = conn.Close()
			c.want("552")
		}, "STOR", "/huge", "100000", "The file is larger than allowed", "WARN", "i a i"},
		{"a download given up", func(c *traveller) {
			conn := c.over(c.begin("RETR large"))
			if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
				c.t.Fatal(err)
			}
			c.do("ABOR", "426")
			c.want("226")
		}, "RETR", "/large", "<=67108864", "Transfer aborted", "WARN", "o a i"},
		{"a download that nobody takes", func(c *traveller) {
			data := c.begin("RETR large")
			if _, err := io.ReadFull(c.over(data), make([]byte, 1000)); err != nil {
				c.t.Fatal(err)
			}
			_ = data.SetLinger(0)
			_ = data.Close()
			c.want("426")
		}, "RETR", "/large", "<=67108864", "Data connection lost, transfer aborted", "WARN", "o a i"},
		{"no data connection", func(c *traveller) { c.do("RETR a b.txt", "425") }, "RETR", "/a b.txt", "0", "*", "WARN", "o a i"},
	}
	for _, w := range []way{{false, false}, {false, true}, {true, false}} {
		t.Run(w.String(), func(t *testing.T) {
			dir := directory(t, base)
			sparse(t, dir, "large")
			file := filepath.Join(t.TempDir(), "xferlog")
			began := time.Now()
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--users", limit, "--xferlog", file, "--tls", "allow")
			c := travel(t, srv, w)
			c.fetch("LIST") // leaves none
			c.fetch("NLST")
			c.fetch("MLSD")
			for _, tt := range transfers {
				tt.do(c)
			}
			from, _, _ := net.SplitHostPort(c.conn.LocalAddr().String())
			ended(t, srv)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			all := transferRecords(t, srv.Log())
			if len(lines) != len(transfers) || len(all) != len(transfers) {
				t.Fatalf("%d lines and %d records of %d transfers:\n%s%s", len(lines), len(all), len(transfers), text, srv.Log())
			}
			for i, tt := range transfers {
				t.Run(tt.name, func(t *testing.T) {
					tt.check(t, all[i], fields{"client": c.conn.LocalAddr().String(), "tls": strconv.FormatBool(w.private)})
					tt.checkLine(t, lines[i], from, all[i], began)
				})
			}
		})
	}
}

// refuse begins a transfer that gets another answer than 150.
func (c *traveller) refuse(line, want string) {
	c.t.Helper()
	if c.active {
		_, n := listenAt(c.t, "127.0.0.1")
		c.do("PORT "+port("127.0.0.1", n), "200")
	} else {
		_ = c.pasv()
	}
	c.do(line, want)
}

// transferRecords are those of downloads and uploads, in order.
func transferRecords(t testing.TB, log string) []fields {
	t.Helper()
	var lines strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "msg=download ") || strings.Contains(line, "msg=upload ") {
			lines.WriteString(strings.Replace(strings.Replace(line, "msg=download ", "msg=transfer kind=download ", 1), "msg=upload ", "msg=transfer kind=upload ", 1))
		}
	}
	return logged(t, lines.String(), "transfer")
}

func (tt transferOf) check(t *testing.T, got fields, want fields) {
	t.Helper()
	want["kind"] = "upload"
	if tt.line[0] == 'o' {
		want["kind"] = "download"
	}
	want["msg"], want["level"], want["user"], want["command"], want["result"] = "transfer", tt.level, "anonymous", tt.command, tt.result
	want["path"], want["bytes"], want["duration"] = tt.path, tt.bytes, "*"
	if prefix, ok := strings.CutSuffix(tt.path, "*"); ok && strings.HasPrefix(got["path"], prefix) {
		want["path"] = "*"
	}
	if most, ok := strings.CutPrefix(tt.bytes, "<="); ok {
		n, err := strconv.ParseInt(got["bytes"], 10, 64)
		limit, _ := strconv.ParseInt(most, 10, 64)
		if want["bytes"] = "*"; err != nil || n < 1 || n > limit {
			t.Errorf("%s bytes, want from 1 to %s", got["bytes"], most)
		}
	}
	got.is(t, want)
	if took, err := time.ParseDuration(got["duration"]); err != nil || took <= 0 || took > time.Minute {
		t.Errorf("a duration of %q", got["duration"])
	}
}

// checkLine takes a line of the xferlog apart, see xferlog(5).
func (tt transferOf) checkLine(t *testing.T, line, from string, record fields, began time.Time) {
	t.Helper()
	const stamp = "Mon Jan _2 15:04:05 2006"
	if len(line) < len(stamp) {
		t.Fatalf("xferlog has %q", line)
	}
	at, err := time.ParseInLocation(stamp, line[:len(stamp)], time.Local)
	if err != nil || at.Before(began.Truncate(time.Second)) || at.After(time.Now()) {
		t.Errorf("the time of %q: %v", line, err)
	}
	took, _ := time.ParseDuration(record["duration"])
	seconds := int64((took + time.Second - 1) / time.Second)
	path := strings.NewReplacer(" ", "_", "\n", "_").Replace(record["path"])
	kind := "b"
	if strings.HasSuffix(tt.line, " a") {
		kind = "a"
	}
	want := fmt.Sprintf(" %d %s %s %s %s _ %s anonymous ftp 0 * %s", seconds, from, record["bytes"], path, kind, tt.line[:3], tt.line[4:5])
	if line[len(stamp):] != want {
		t.Errorf("xferlog has %q, want %q after the time", line, want)
	}
}
