package ftp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

func TestSite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions and no FIFOs")
	}
	dir := directory(t, map[string]string{"a.txt": "a", "with space": "b", "sub/": ""})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--idle-timeout", "5m")
	c := anonymous(t, srv)
	for _, tt := range []struct{ line, want string }{
		{"SITE", "501"},
		{"SITE HELP", "214-SITE has\r\n CHMOD"},
		{"HELP SITE", "214-SITE has\r\n CHMOD"},
		{"SITE CHOWN nobody a.txt", `504 SITE "CHOWN"`},
		{"SITE RMDIR sub", "504"},
		{"SITE MKDIR x/y", "504"},
		{"SITE SYMLINK a.txt b.txt", "504"},
		{"SITE CHMOD 640 a.txt", "200 The mode is 640."},
		{"site chmod 0600 with space", "200"},
		{"SITE CHMOD 700 sub", "200"},
		{"SITE CHMOD 4755 a.txt", "504"},
		{"SITE CHMOD 1777 sub", "504"},
		{"SITE CHMOD 888 a.txt", "501"},
		{"SITE CHMOD u+x a.txt", "501"},
		{"SITE CHMOD 644", "501"},
		{"SITE CHMOD", "501"},
		{"SITE CHMOD 644 missing", "550 /missing: no such file or directory."},
		{"SITE CHMOD 644 /", "550 /: it is the root."},
		{"SITE CHMOD 644 ../../etc/passwd", "550 /etc/passwd: no such file"},
		{"SITE UTIME 20200102030405 a.txt", "200 The time is 20200102030405."},
		{"SITE UTIME 202001020304 sub", "200"},
		{"SITE UTIME with space 20190101000000 20210203040506 20180101000000 UTC", "200"},
		{"SITE UTIME 2020 a.txt", "501"},
		{"SITE UTIME 20201332030405 a.txt", "501"},
		{"SITE UTIME 20200102030405", "501"},
		{"SITE UTIME 20200102030405 missing", "550 /missing: no such file or directory."},
		{"SITE IDLE", "200 You may be silent for 5m0s."},
		{"SITE IDLE 60", "200 You may be silent for 1m0s."},
		{"SITE IDLE", "200 You may be silent for 1m0s."},
		{"SITE IDLE 300", "200"},
		{"SITE IDLE 301", "501 At most 300 seconds."},
		{"SITE IDLE 99999999999999999999", "501"},
		{"SITE IDLE 9223372036854775807", "501"},
		{"SITE IDLE 0", "501"},
		{"SITE IDLE -1", "501"},
		{"SITE IDLE long", "501"},
		{"SITE UMASK 022", "504"},
	} {
		c.do(tt.line, tt.want)
	}
	for name, want := range map[string]os.FileMode{"a.txt": 0o640, "with space": 0o600, "sub": 0o700 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	for name, want := range map[string]string{"a.txt": "20200102030405", "with space": "20210203040506", "sub": "20200102030400"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.ModTime().UTC().Format("20060102150405") != want {
			t.Errorf("%s: %v, %v, want %v", name, info.ModTime(), err, want)
		}
	}
	for _, record := range []string{`msg="mode changed" .*path=/a.txt mode=-rw-r-----`, `msg="time changed" .*path=/a.txt modified=2020-01-02T03:04:05`} {
		if log := srv.Log(); !regexp.MustCompile(record).MatchString(log) {
			t.Errorf("no record %q in %s", record, log)
		}
	}
}

func TestSiteReadOnly(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := dial(t, srv.Addrs()[0])
	c.want("220")
	c.do("SITE HELP", "530")
	c = anonymous(t, srv)
	for _, name := range []string{"a.txt", "missing"} {
		for _, line := range []string{"SITE CHMOD 600 ", "SITE UTIME 20200102030405 ", "RNFR ", "MFMT 20200102030405 ", "DELE ", "STOR "} {
			c.do(line+name, "550 /"+name+": permission denied.")
		}
	}
	c.do("SITE IDLE 86400", "501")
	for _, about := range []string{"mode=-rw------- command=SITE", "modified=2020-01-02T03:04:05.000Z command=SITE", "modified=2020-01-02T03:04:05.000Z command=MFMT"} {
		if log := srv.Log(); !strings.Contains(log, "path=/a.txt "+about) {
			t.Errorf("no record with %q in %s", about, log)
		}
	}
}

// TestIdleForEver is for servers that wait for ever.
func TestIdleForEver(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--idle-timeout", "0")
	c := anonymous(t, srv)
	c.do("SITE IDLE", "200 You may be silent for ever.")
	c.do("SITE IDLE 1", "200 You may be silent for 1s.")
	c.want("421 No command for 1s.")
	c.gone()
}

func TestSiteUmask(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nobody can ask for it")
	}
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	got := c.do("SITE UMASK", "200 The umask is ")
	c.put("STOR f", "x")
	info, err := os.Stat(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	mask, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(got, "200 The umask is "), "."), 8, 32)
	if want := os.FileMode(0o666 &^ mask); err != nil || info.Mode() != want {
		t.Errorf("%q, and a new file has the mode %v", got, info.Mode())
	}
}

func TestRoom(t *testing.T) {
	dir := directory(t, map[string]string{"joe/f": strings.Repeat("x", 400), "joe/sub/": "", "joe/drop/": "", "pub/": ""})
	file := filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.joe]\nroot = \""+dir+"/joe\"\npermissions = \"all\"\nquota = 1000\n[users.joe.paths]\n\"/drop\" = [\"create\"]\n")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", filepath.Join(dir, "pub"), "--auth", passwords(t, "joe"), "--users", file)
	c := enter(t, srv, "joe", password, "230")
	for _, tt := range []struct{ line, want string }{
		{"AVBL", "213 600"},
		{"AVBL sub", "213 600"},
		{"AVBL f", "550"},
		{"AVBL missing", "550 /missing: no such file or directory."},
		{"ALLO 600", "200"},
		{"ALLO 601", "552 Quota exceeded."},
		{"ALLO 601 R 80", "552"},
		{"ALLO 99999999999999999999", "501"},
	} {
		c.do(tt.line, tt.want)
	}
	c.do("ALLO 100", "200")
	c.put("STOR g", strings.Repeat("x", 100))
	c.do("AVBL", "213 500")

	guest := enter(t, srv, "anonymous", "x", "230")
	guest.do("ALLO 1000", "200")
	guest.do("ALLO 999999999999999999", "452 No room left.")
	free, err := strconv.ParseInt(strings.TrimPrefix(guest.do("AVBL", "213 "), "213 "), 10, 64)
	if err != nil || free <= 0 {
		t.Errorf("AVBL = %d, %v", free, err)
	}
}

// TestSizeASCII says that SIZE is how many bytes RETR sends.
func TestSizeASCII(t *testing.T) {
	text := map[string]string{
		"empty": "", "unix": "a\nb\n\nc", "dos": "a\r\nb\r\n\r\nc", "mac": "a\rb\r", "mixed": "\n\r\n\r\r\n\n\r", "none": "abc", "zero": "\x00\n\x00",
	}
	for _, n := range []int{4093, 4094, 4095, 4096, 4097, 8191, 8192, 256<<10 - 1, 256 << 10} { // where buffers end
		text[fmt.Sprintf("unix%d", n)] = strings.Repeat("x", n) + "\n" + strings.Repeat("y", n) + "\n\n"
		text[fmt.Sprintf("dos%d", n)] = strings.Repeat("x", n) + "\r\n" + strings.Repeat("y", n) + "\r\n\r\n"
		text[fmt.Sprintf("mac%d", n)] = strings.Repeat("x", n) + "\r" + strings.Repeat("y", n) + "\r"
	}
	dir := directory(t, text)
	write(t, filepath.Join(dir, "large"), "")
	if err := os.Truncate(filepath.Join(dir, "large"), 100<<20+1); err != nil {
		t.Fatal(err)
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	for name := range text {
		c.do("TYPE A", "200")
		if size, sent := c.do("SIZE "+name, "213 "), c.get("RETR "+name); size != fmt.Sprintf("213 %d", len(sent)) {
			t.Errorf("SIZE %s = %q, and %d bytes were sent", name, size, len(sent))
		}
		c.do("TYPE I", "200")
		c.do("SIZE "+name, fmt.Sprintf("213 %d", len(text[name])))
	}
	c.do("TYPE A", "200")
	c.do("SIZE", "501")
	c.do("SIZE missing", "550 /missing: no such file or directory.")
	c.do("SIZE /", "550 /: it is a directory.")
	c.do("SIZE large", "550 /large: too large to count its lines: send TYPE I first.")
}

// TestHelp says that HELP names all that is understood, and nothing else, and FEAT nothing that is not.
func TestHelp(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir())
	c := anonymous(t, srv)
	help := strings.Fields(c.do("HELP", "214-The commands are\r\n"))
	listed := map[string]bool{}
	for _, word := range help {
		if regexp.MustCompile(`^[A-Z][A-Z0-9]*$`).MatchString(word) {
			listed[word] = true
		}
	}
	all := strings.Fields("USER PASS ACCT REIN QUIT CWD XCWD CDUP XCUP PWD XPWD MKD XMKD RMD XRMD SMNT PORT EPRT TYPE STRU MODE " +
		"RETR STOR STOU APPE ALLO REST RNFR RNTO ABOR DELE LIST NLST MLSD MLST SITE SYST STAT HELP NOOP FEAT OPTS CLNT HOST AUTH ADAT CCC CONF ENC MIC PBSZ PROT " +
		"SIZE MDTM MFMT MFCT MFF LANG COMB AVBL HASH RANG XCRC MD5 XMD5 XSHA XSHA1 XSHA256 XSHA512 LPRT LPSV XRSQ CSID PASV EPSV")
	seen := map[string]bool{}
	for _, verb := range all {
		seen[verb] = true
		if verb == "QUIT" || verb == "REIN" {
			continue
		}
		got := c.do(verb, "")
		// AUTH is for servers with TLS.
		if understood := got[:3] != "500" && got[:3] != "502" || verb == "AUTH"; understood != listed[verb] {
			t.Errorf("HELP names %s: %v, and it is answered with %q", verb, listed[verb], got)
		}
	}
	for verb := range listed {
		if !seen[verb] {
			t.Errorf("HELP names %s", verb)
		}
	}
	features := regexp.MustCompile(`(?m)^ (\w+)`).FindAllStringSubmatch(c.do("FEAT", "211-"), -1)
	if len(features) < 15 {
		t.Errorf("FEAT has %q", features)
	}
	for _, feature := range features {
		if verb := feature[1]; verb != "TVFS" && verb != "UTF8" && !listed[verb] {
			t.Errorf("FEAT has %s", verb)
		}
	}
}

// TestWords says what is told of things that are not there, or something else.
func TestWords(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789", "sub/b.txt": "bb", "full/x": "x"})
	for link, target := range map[string]string{"loop": "loop", "out": t.TempDir()} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	const missing = ": no such file or directory."
	for _, tt := range []struct{ line, want string }{
		{"SIZE loop", "550 /loop" + missing},
		{"SIZE loop/x", "550 /loop/x" + missing},
		{"DELE loop/x", "550 /loop/x" + missing},
		{"MKD out/x", "550 /out/x" + missing},
		{"HASH missing", "550 missing" + missing},
		{"RNFR a.txt", "350"},
		{"RNTO out/x", "550 /out/x" + missing},
		{"RNFR a.txt", "350"},
		{"RNTO loop/x", "550 /loop/x" + missing},
		{"RNFR sub", "350"},
		{"RNTO a.txt", "550 /a.txt: it exists."},
		{"RNFR sub", "350"},
		{"RNTO full", "550 /full: it exists."},
		{"STAT -la sub", "212-"},
		{"STAT -l a.txt", "213-"},
	} {
		c.do(tt.line, tt.want)
	}
	_ = c.pasv()
	c.do("STOR loop", "550 /loop"+missing)
	if got := c.do("STAT -la", "212-"); !strings.Contains(got, "a.txt") {
		t.Errorf("STAT -la = %q, want a listing", got)
	}
	if log := srv.Log(); strings.Contains(log, "cannot be served") {
		t.Errorf("what is a client's mistake is a warning in %s", log)
	}
	if got := c.get("RETR /sub/../a.txt"); got != "0123456789" {
		t.Errorf("RETR = %q", got)
	}
	c.do("QUIT", "221")
	c.gone()
	if log := srv.Log(); !strings.Contains(log, "path=/a.txt") {
		t.Errorf("no record of the path as it is in %s", log)
	}
}
