package ftp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// run calls a client and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8", "no_proxy=*")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// holds checks what a file holds.
func holds(t *testing.T, want string, path ...string) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(path...)); string(got) != want || err != nil {
		t.Errorf("%s: %d bytes, %v, want %d", filepath.Join(path...), len(got), err, len(want))
	}
}

var content = strings.Repeat("0123456789abcdef\n", 20_000)

// modes are the ways to serve that every client is tried with.
var modes = []struct {
	name string
	args []string
}{
	{"plain", []string{"--listen", anyPort}},
	{"explicit", []string{"--listen", anyPort, "--tls", "require", "--tls-session-reuse", "require"}},
	{"implicit", []string{"--implicit-port", anyPort, "--tls-session-reuse", "require"}},
	{"ipv6", []string{"--listen", `tcp6:0:interface=\:\:1`}},
}

// serve returns the directory that is served, and the server's address.
func serve(t *testing.T, args []string) (dir, addr string, srv *plugintest.Server) {
	t.Helper()
	dir = directory(t, map[string]string{"a.txt": content, "sub/b.txt": "b", "sub/deep/ü ber.txt": "deep", "empty": ""})
	srv = plugintest.Start(t, ftp.Plugin(), append([]string{"--root", dir, "--writable"}, args...)...)
	addrs := srv.Addrs()
	return dir, addrs[len(addrs)-1].String(), srv
}

func TestCurl(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, _ := serve(t, mode.args)
			base, common := "ftp://"+addr, []string{"-sS", "--noproxy", "*", "-g"}
			switch mode.name {
			case "explicit":
				common = append(common, "--ssl-reqd", "-k")
			case "implicit":
				base, common = "ftps://"+addr, append(common, "-k")
			}
			here := t.TempDir()
			curl := func(args ...string) string {
				t.Helper()
				out, err := run(t, here, "curl", append(append([]string{}, common...), args...)...)
				if err != nil {
					t.Errorf("curl %q: %v: %s", args, err, out)
				}
				return out
			}
			if got := curl(base + "/a.txt"); got != content {
				t.Errorf("RETR = %d bytes", len(got))
			}
			if got := curl("-r", "5-8", base+"/a.txt"); got != "5678" {
				t.Errorf("range = %q", got)
			}
			if got := curl("-C", strconv.Itoa(len(content)-5), base+"/a.txt"); got != "cdef\n" {
				t.Errorf("resume = %q", got)
			}
			if got := curl(base+"/sub/deep/%C3%BC%20ber.txt", base+"/sub/b.txt"); got != "deepb" {
				t.Errorf("two files = %q", got)
			}
			if got := curl("-l", base+"/sub/"); got != "b.txt\ndeep\n" {
				t.Errorf("NLST = %q", got)
			}
			if got := curl(base + "/"); strings.Count(got, "\n") != 3 || !strings.Contains(got, "drwx") {
				t.Errorf("LIST = %q", got)
			}
			if got := curl("-I", base+"/a.txt"); !strings.Contains(got, "Content-Length: "+strconv.Itoa(len(content))) {
				t.Errorf("head = %q", got)
			}
			if got := curl("-B", base+"/a.txt"); strings.ReplaceAll(got, "\r", "") != content {
				t.Errorf("ASCII = %d bytes", len(got))
			}
			if mode.name == "plain" || mode.name == "ipv6" { // curl 7.88 cannot do it under TLS
				if got := curl("-P", "-", base+"/sub/b.txt"); got != "b" {
					t.Errorf("active = %q", got)
				}
			}
			if err := os.WriteFile(filepath.Join(here, "up"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			curl("-T", "up", base+"/new")
			holds(t, content, dir, "new")
			curl("-T", "up", "--ftp-create-dirs", base+"/x/y/new")
			holds(t, content, dir, "x", "y", "new")
			if err := os.WriteFile(filepath.Join(dir, "part"), []byte(content[:1000]), 0o600); err != nil {
				t.Fatal(err)
			}
			curl("-C", "-", "-T", "up", base+"/part")
			holds(t, content, dir, "part")
			curl("-Q", "DELE new", "-Q", "RNFR part", "-Q", "RNTO moved", "-l", base+"/")
			holds(t, content, dir, "moved")
			if out, err := run(t, here, "curl", append(common, base+"/nowhere")...); err == nil || !strings.Contains(out, "550") && !strings.Contains(out, "78") {
				t.Errorf("a file that is not there: %v: %s", err, out)
			}
		})
	}
}

func TestLftp(t *testing.T) {
	plugintest.NeedTool(t, "lftp", "lftp")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, _ := serve(t, mode.args)
			url := "ftp://" + addr
			setup := "set net:max-retries 1; set net:timeout 20; set ssl:verify-certificate no; set ftp:ssl-allow-anonymous yes; set ftp:ssl-protect-data yes; set ftp:nop-interval 1;"
			switch mode.name {
			case "explicit":
				setup += "set ftp:ssl-force yes;"
			case "implicit":
				url = "ftps://" + addr
			default:
				setup += "set ftp:ssl-allow no;"
			}
			here := t.TempDir()
			lftp := func(commands string) string {
				t.Helper()
				out, err := run(t, here, "lftp", "-c", setup+"open "+url+"; "+commands)
				if err != nil {
					t.Errorf("lftp %q: %v: %s", commands, err, out)
				}
				return out
			}
			lftp("mirror . copy")
			holds(t, content, here, "copy", "a.txt")
			holds(t, "deep", here, "copy", "sub", "deep", "ü ber.txt")
			lftp("mirror -R copy back")
			holds(t, content, dir, "back", "a.txt")
			holds(t, "deep", dir, "back", "sub", "deep", "ü ber.txt")
			if out := lftp("mirror --dry-run -R copy back"); strings.Contains(out, "put") {
				t.Errorf("a mirror of what is mirrored: %s", out)
			}
			if err := os.WriteFile(filepath.Join(here, "a.txt"), []byte(content[:777]), 0o600); err != nil {
				t.Fatal(err)
			}
			lftp("get -c a.txt")
			holds(t, content, here, "a.txt")
			if err := os.WriteFile(filepath.Join(dir, "up"), []byte(content[:777]), 0o600); err != nil {
				t.Fatal(err)
			}
			lftp("put -c a.txt -o up; mkdir new; mv up new/up; rm empty; cls -1 new")
			holds(t, content, dir, "new", "up")
			lftp("rm -r new; set ftp:passive-mode no; cat sub/b.txt")
			lftp("mget -O . sub/*.txt")
			holds(t, "b", here, "b.txt")
		})
	}
}

func TestTnftp(t *testing.T) {
	plugintest.NeedTool(t, "tnftp", "tnftp")
	dir, addr, _ := serve(t, []string{"--listen", anyPort})
	host, port, _ := strings.Cut(addr, ":")
	here := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tnftp", "-a", "-v", host, port)
	cmd.Dir = here
	cmd.Env = append(os.Environ(), "HOME="+here)
	cmd.Stdin = strings.NewReader("get a.txt\nprompt off\nmget a*.txt\nput a.txt up\nappend a.txt up\nls\nmlsd\npwd\nmodtime a.txt\nsize a.txt\nrename up up2\nreget a.txt\n" +
		"epsv4 off\nget empty e1\npassive off\nget empty e2\nascii\nget a.txt ascii\nquit\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("tnftp: %v: %s", err, out)
	}
	holds(t, content, here, "a.txt")
	holds(t, content, here, "ascii")
	holds(t, content+content, dir, "up2")
	holds(t, "", here, "e1")
	holds(t, "", here, "e2")
	if !strings.Contains(string(out), strconv.Itoa(len(content))) {
		t.Errorf("no size in %s", out)
	}
}

// python is what the tests do with ftplib. Its arguments are the mode, host and port.
const python = `
import ftplib, io, os, ssl, sys
mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Resuming(ftplib.FTP_TLS):
    """Resumes the control connection's session on data connections."""
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
            self.resumed = conn.session_reused
        return conn, size

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if mode == "explicit":
    f = Resuming(context=context)
elif mode == "implicit":
    class Implicit(Resuming):
        def __init__(self, **kw):
            self._s = None
            super().__init__(**kw)
        sock = property(lambda self: self._s, lambda self, value: setattr(self, "_s",
            context.wrap_socket(value, server_hostname=self.host) if value is not None and not isinstance(value, ssl.SSLSocket) else value))
    f = Implicit(context=context)
else:
    f = ftplib.FTP()
f.encoding = "utf-8"
f.connect(host, port, timeout=20)
f.login()
if mode in ("explicit", "implicit"):
    f.prot_p()
def get(name, **kw):
    out = []
    f.retrbinary("RETR " + name, out.append, **kw)
    return b"".join(out)
content = get("a.txt")
assert len(content) == int(sys.argv[4]), len(content)
if mode in ("explicit", "implicit"):
    assert f.resumed, "no session resumed"
assert get("a.txt", rest=len(content) - 5) == content[-5:]
assert sorted(f.nlst()) == ["a.txt", "empty", "sub"], f.nlst()
assert [n for n, facts in f.mlsd("sub")] == ["b.txt", "deep"]
f.voidcmd("TYPE I")
assert f.size("a.txt") == len(content)
lines = []
f.retrlines("LIST sub", lines.append)
assert len(lines) == 2 and lines[1].startswith("drwx"), lines
f.storbinary("STOR new", io.BytesIO(content))
f.storbinary("STOR new", io.BytesIO(content[1000:]), rest=1000)
f.storlines("STOR lines", io.BytesIO(b"one\ntwo\n"))
f.storbinary("STOR line\0feed", io.BytesIO(b"newline"))
assert get("line\0feed") == b"newline"
f.mkd("d"); f.cwd("d"); assert f.pwd() == "/d"; f.cwd(".."); f.rmd("d")
f.rename("lines", "lines2")
f.set_pasv(False)
assert get("a.txt") == content
f.sendcmd("MFMT 20200102030405 new")
assert f.voidcmd("MDTM new") == "213 20200102030405"
try:
    get("nowhere")
    sys.exit("a file that is not there")
except ftplib.error_perm as e:
    assert str(e).startswith("550"), e
f.quit()
`

func TestFtplib(t *testing.T) {
	plugintest.NeedTool(t, "python3", "python3")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, _ := serve(t, mode.args)
			i := strings.LastIndexByte(addr, ':')
			out, err := run(t, t.TempDir(), "python3", "-c", python, mode.name, strings.Trim(addr[:i], "[]"), addr[i+1:], strconv.Itoa(len(content)))
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			holds(t, content, dir, "new")
			holds(t, "one\ntwo\n", dir, "lines2")
			holds(t, "newline", dir, "line\nfeed")
		})
	}
}
