package ftp_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

func TestCommands(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789", "sub/b.txt": "bb", "sub/c.log": "ccc", "empty/": ""})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	before := dial(t, srv.Addrs()[0])
	before.want("220")
	for _, line := range []string{"PWD", "LIST", "PASV", "STAT", "RETR a.txt", "STRU F"} {
		before.do(line, "530")
	}
	before.do("PASS x", "503")
	before.do("FEAT", "211-")

	c := anonymous(t, srv)
	tests := []struct{ line, want string }{
		{"NOOP", "200"},
		{"noop", "200"},
		{"SYST", "215 UNIX Type: L8"},
		{"HELP", "214-"},
		{"STRU F", "200"},
		{"STRU R", "504"},
		{"MODE S", "200"},
		{"MODE Z", "504"},
		{"MODE B", "504"},
		{"TYPE A", "200"},
		{"SIZE a.txt", "213 10"},
		{"REST 5", "501"},
		{"TYPE E", "504"},
		{"TYPE L 8", "200"},
		{"TYPE I", "200"},
		{"OPTS UTF8 ON", "200"},
		{"OPTS MLST type;size;", "200 MLST OPTS Type;Size;Modify;"},
		{"OPTS HASH", "200 SHA-256"},
		{"OPTS HASH sha-1", "200 SHA-1"},
		{"OPTS HASH MD7", "504"},
		{"OPTS COLOUR", "501"},
		{"CLNT test", "200"},
		{"ALLO 100", "200"},
		{"ALLO 100 R 50", "200"},
		{"ALLO", "501"},
		{"ALLO -1", "501"},
		{"ALLO 100 50", "501"},
		{"ACCT me", "202"},
		{"HOST ftp.example.org", "220"},
		{"REST 5", "350"},
		{"REST -5", "501"},
		{"REST many", "501"},
		{"SITE CHOWN nobody a.txt", "504"},
		{"SITE RMDIR sub", "504"},
		{"SITE CHMOD 644 a.txt", "550 /a.txt: permission denied."},
		{"XYZZY", `500 "XYZZY"`},
		{"", "500"},
		{"AUTH TLS", "502"},
		{"PROT P", "503"},
		{"PBSZ 0", "503"},
		{"USER", "501"},
		{"RETR", "501"},
		{"RETR a.txt", "425"},
		{"LIST", "425"},
		{"PWD", `257 "/"`},
		{"CWD sub", "250"},
		{"PWD", `257 "/sub"`},
		{"CDUP", "250"},
		{"XCUP", "250"},
		{"CWD nowhere", "550 /nowhere: no such file or directory."},
		{"CWD a.txt", "550"},
		{"CWD ../../..", "250"},
		{"SIZE a.txt", "213 10"},
		{"SIZE sub", "550"},
		{"MDTM a.txt", "213 20"},
		{"MLST a.txt", "250-"},
		{"STAT a.txt", "213-"},
		{"STAT nowhere", "550"},
		{"ABOR", "226"},
		{"RNTO b", "503"},
		{"DELE a.txt", "550 /a.txt: permission denied."},
		{"RNFR a.txt", "550 /a.txt: permission denied."},
		{"RNFR nowhere", "550 /nowhere: permission denied."},
		{"RNTO b.txt", "503"},
		{"MKD new", "550"},
		{"RMD sub", "550"},
		{"MFMT 20200101000000 a.txt", "550"},
		{"MFMT 20200101000000.123 a.txt", "550"},
		{"MFMT 20200102 a.txt", "501 Not a time"},
		{"MFMT 20201301000000 a.txt", "501 Not a time"},
		{"MFMT a.txt", "501 Not a time"},
		{"MFMT 20200102030405", "501 MFMT of what?"},
		{"EPSV 2", "522"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			c.t = t
			c.do(tt.line, tt.want)
		})
	}
	c.t = t
	if feat := c.do("FEAT", "211-"); !strings.Contains(feat, "\r\n HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512;\r\n") ||
		!strings.Contains(feat, "\r\n MLST Type*;Size*;Modify*;\r\n") || strings.Contains(feat, "AUTH") {
		t.Errorf("FEAT: %q", feat)
	}
	if stat := c.do("STAT sub", "212-"); strings.Contains(stat, "%s") || !strings.Contains(stat, "b.txt") {
		t.Errorf("STAT sub: %q", stat)
	}
	here := "\r\nConnected to " + c.conn.RemoteAddr().String() + " from " + c.conn.LocalAddr().String()
	if stat := c.do("STAT", "211-"); !strings.Contains(stat, here) {
		t.Errorf("STAT: %q, want %q in it", stat, here)
	}
	c.do("CWD sub", "250")
	for line, want := range map[string]string{
		"NLST": "b.txt\r\nc.log\r\n", "NLST *.txt": "b.txt\r\n", "NLST -a": "b.txt\r\nc.log\r\n", "NLST /sub/b*": "b.txt\r\n",
		"NLST *.none": "", "NLST ../empty": "", "NLST -1 ..": "../a.txt\r\n../empty\r\n../sub\r\n", "RETR b.txt": "bb",
	} {
		if got := c.get(line); got != want {
			t.Errorf("%s = %q, want %q", line, got, want)
		}
	}
	if got := c.get("LIST -la /a.txt"); !strings.HasPrefix(got, "-rw-r--r-- 1 ftp ftp           10 ") || !strings.HasSuffix(got, " a.txt\r\n") {
		t.Errorf("LIST = %q", got)
	}
	c.do("EPSV ALL", "200")
	for _, line := range []string{"PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"} {
		c.do(line, "501 After EPSV ALL there is only EPSV.")
	}
	_ = c.epsv()
	c.do("QUIT", "221")
	c.gone()
}

// TestTelnet sends ABOR as RFC 959 wants it.
func TestTelnet(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir())
	c := anonymous(t, srv)
	c.do("\xff\xf4\xff\xf2ABOR", "226")
	c.do("\xff\xf4\xffABOR", "226")
	c.do("\xff\xfb\x01NOOP", "200")
}

func TestLongLine(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir())
	c := anonymous(t, srv)
	c.do("CWD "+strings.Repeat("x", 3000), "553")
	c.send("CWD " + strings.Repeat("x", 4500))
	c.want("500")
}

// TestPipeline sends everything at once.
func TestPipeline(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := dial(t, srv.Addrs()[0])
	c.send("USER ftp\r\nPASS x\r\nNOOP\r\nSTRU F\r\nPWD\r\nNONSENSE\r\nSIZE a.txt")
	for _, want := range []string{"220", "331", "230", "200 OK", "200 Files", "257", "500", "213 10"} {
		c.want(want)
	}
	data := c.pasv()
	c.send("RETR a.txt\r\nSTRU F\r\nNOOP\r\nQUIT")
	if got, err := io.ReadAll(data); string(got) != "0123456789" || err != nil {
		t.Errorf("RETR = %q, %v", got, err)
	}
	for _, want := range []string{"150", "226", "200 Files", "200 OK", "221"} {
		c.want(want)
	}
	c.gone()
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	for _, name := range []string{"with space", ` leading`, `quo"te`, "ümläut", "日本", "new\x00line", "c\r\x00r", "-dash", "semi;colon", "star*"} {
		onDisk := strings.ReplaceAll(strings.ReplaceAll(name, "\r\x00", "\r"), "\x00", "\n")
		c.put("STOR "+name, name)
		if got, err := os.ReadFile(filepath.Join(dir, onDisk)); string(got) != name || err != nil {
			t.Errorf("%q holds %q, %v", onDisk, got, err)
		}
		if got := c.get("RETR " + name); got != name {
			t.Errorf("RETR %q = %q", name, got)
		}
		c.do("DELE "+name, "250")
		c.do("MKD "+name, "257")
		c.do("CWD "+name, "250")
		if got, want := c.do("PWD", "257"), `"/`+strings.ReplaceAll(strings.ReplaceAll(name, `"`, `""`), "\r\x00", "\x00")+`"`; !strings.Contains(got, want) {
			t.Errorf("PWD = %q, want %q in it", got, want)
		}
		c.do("CWD /", "250")
		if got := c.get("NLST"); got != strings.ReplaceAll(name, "\r\x00", "\x00")+"\r\n" {
			t.Errorf("NLST = %q, want %q", got, name)
		}
		c.do("RMD "+name, "250")
	}
}

func TestOutside(t *testing.T) {
	outside := directory(t, map[string]string{"secret": "s", "dir/x": "x"})
	dir := directory(t, map[string]string{"a.txt": "a", "sub/b": "b"})
	for link, target := range map[string]string{
		"out": filepath.Join(outside, "secret"), "outdir": filepath.Join(outside, "dir"), "in": "a.txt", "indir": "sub", "broken": "nowhere", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := anonymous(t, srv)
	if got := c.get("NLST"); got != "a.txt\r\nin\r\nindir\r\nsub\r\n" {
		t.Errorf("NLST = %q", got)
	}
	list := c.get("LIST")
	if !strings.Contains(list, "\ndrwx") || strings.ContainsAny(list[:1], "lL") {
		t.Errorf("LIST = %q", list)
	}
	for _, line := range []string{"SIZE out", "CWD outdir", "SIZE /../../etc/passwd", "MDTM broken", "SIZE loop", "DELE outdir/x", "STAT out", "MKD outdir/new", "RMD outdir/dir"} {
		if got := c.do(line, ""); got[0] != '5' && got[0] != '4' || strings.Contains(got, outside) || strings.Contains(got, dir) {
			t.Errorf("%s: %q", line, got)
		}
	}
	data := c.pasv()
	c.do("STOR outdir/new", "55")
	c.do("STOR sub", "550 /sub: it is a directory.")
	c.do("RETR out", "550")
	_ = data.Close()
	if got := c.get("RETR in"); got != "a" {
		t.Errorf("RETR in = %q", got)
	}
	c.do("RNFR a.txt", "350")
	c.do("RNTO outdir/a", "55")
	for _, name := range []string{"out", "outdir", "broken", "loop"} { // they are not there
		c.do("DELE "+name, "550")
		c.do("RNFR "+name, "550")
		c.do("RNFR a.txt", "350")
		c.do("RNTO "+name, "550")
		if _, err := os.Readlink(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	c.do("RNFR a.txt", "350")
	c.do("RNTO indir", "550 /indir: it exists.")
	c.do("DELE in", "250")
	c.do("SIZE a.txt", "213 1")
	c.do("DELE sub", "550 /sub: it is a directory.")
	c.do("RMD /", "550")
	c.do("RMD sub", "550 /sub: the directory is not empty.")
}

func TestPrivate(t *testing.T) {
	dir := directory(t, map[string]string{"users": "", "a.txt": "a"})
	if err := os.Symlink("users", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	host := plugintest.NewHost(t, "ftp")
	host.Env.Private = func(path string) bool { return filepath.Base(path) == "users" }
	host.Env.PrivateBelow = nil
	srv := start(t, host, "--listen", anyPort, "--root", dir, "--writable")
	c := dial(t, srv)
	c.want("220")
	c.do("USER ftp", "331")
	c.do("PASS x", "230")
	if got := c.get("NLST"); got != "a.txt\r\n" {
		t.Errorf("NLST = %q", got)
	}
	_ = c.pasv()
	for _, line := range []string{"RETR users", "RETR link", "STOR users", "STOR link", "SIZE users", "DELE users", "MKD users", "APPE users"} {
		c.do(line, "55")
	}
	c.do("RNFR a.txt", "350")
	c.do("RNTO users", "553")
}

// TestIPv6 and active mode: each way to a data connection.
func TestDataConnections(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--listen", `tcp6:0:interface=\:\:1`, "--root", dir)
	for i, addr := range srv.Addrs() {
		c := dial(t, addr)
		c.want("220")
		c.do("USER ftp", "331")
		c.do("PASS x", "230")
		if got := fetch(c, c.epsv()); got != "0123456789" {
			t.Errorf("EPSV at %v: %q", addr, got)
		}
		host, _, _ := net.SplitHostPort(addr.String())
		ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		port := ln.Addr().(*net.TCPAddr).Port
		c.do(fmt.Sprintf("EPRT |%d|%s|%d|", i+1, host, port), "200")
		if got := receive(c, ln); got != "0123456789" {
			t.Errorf("EPRT at %v: %q", addr, got)
		}
		if i == 0 {
			c.do(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "200")
			if got := receive(c, ln); got != "0123456789" {
				t.Errorf("PORT: %q", got)
			}
			continue
		}
		for range 40 { // once, each of these kept a port
			c.do("PASV", "425")
		}
	}
}

func fetch(c *raw, data net.Conn) string {
	c.t.Helper()
	c.do("RETR a.txt", "150")
	got, err := io.ReadAll(data)
	if err != nil {
		c.t.Error(err)
	}
	c.want("226")
	return string(got)
}

func receive(c *raw, ln net.Listener) string {
	c.t.Helper()
	c.send("RETR a.txt")
	data, err := ln.Accept()
	if err != nil {
		c.t.Fatal(err)
	}
	defer data.Close()
	got, err := io.ReadAll(data)
	if err != nil {
		c.t.Error(err)
	}
	c.want("150")
	c.want("226")
	return string(got)
}

func TestActiveRefused(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a.txt": "a"}))
	c := anonymous(t, srv)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	c.do(fmt.Sprintf("PORT 127,0,0,1,%d,%d", port>>8, port&0xff), "200")
	c.do("RETR a.txt", "425")
	c.do("NOOP", "200")
}

// TestPublicIPByName says that clients are told the address of a host name.
func TestPublicIPByName(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", t.TempDir(), "--public-ip", "localhost")
	anonymous(t, srv).do("PASV", "227 Entering Passive Mode (127,0,0,1,")
}

// TestListDash says that "--" ends what looks like options.
func TestListDash(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"-dash": "", "other": "", "--/in": ""}))
	c := anonymous(t, srv)
	for line, want := range map[string]string{
		"LIST -- -dash": "-dash", "LIST -la --  -dash": "-dash", "NLST -- --": "in", "LIST -- other": "other",
	} {
		if got := c.get(line); strings.Count(got, "\r\n") != 1 || !strings.HasSuffix(got, want+"\r\n") {
			t.Errorf("%s = %q, want %s alone", line, got, want)
		}
	}
	if got := c.get("LIST --"); strings.Count(got, "\r\n") != 3 {
		t.Errorf("LIST -- = %q, want all three", got)
	}
}

// TestLineEndsInNames says that no name ends a line of a listing or an answer, and how such files are reached.
func TestLineEndsInNames(t *testing.T) {
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, map[string]string{"a\rb": "cr", "a\nb": "newline", "\xff": "255", "d\re/": ""}))
	c := anonymous(t, srv)
	for _, line := range []string{"LIST", "NLST", "MLSD"} {
		if got := c.get(line); strings.Count(got, "\r") != 4 || strings.Count(got, "\n") != 4 || strings.Count(got, "a\x00b\r\n") != 2 {
			t.Errorf("%s = %q, want four lines", line, got)
		}
	}
	for name, want := range map[string]string{"a\x00b": "newline", "a\r\x00b": "cr", "\xff\xff": "255"} {
		if got := c.get("RETR " + name); got != want {
			t.Errorf("RETR %q = %q, want %q", name, got, want)
		}
	}
	c.do("CWD d\r\x00e", "250")
	for line, want := range map[string]string{
		"PWD": "257 \"/d\x00e\"", "MLST ../a\r\x00b": "250-", "SIZE no\r\x00ne": "550 /d\x00e/no\x00ne: no such file", "STAT /": "212-",
	} {
		if got := c.do(line, want); strings.Contains(strings.ReplaceAll(got, "\r\n", ""), "\r") {
			t.Errorf("%q: %q", line, got)
		}
	}
}
