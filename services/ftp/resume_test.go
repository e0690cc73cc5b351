package ftp_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	jlaffaye "github.com/jlaffaye/ftp"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// moved returns how many bytes each transfer of a path has moved, in order.
func moved(t testing.TB, srv *plugintest.Server, path string) (list []int) {
	t.Helper()
	for _, record := range transferRecords(t, srv.Log()) {
		if record["path"] != path {
			continue
		}
		n, err := strconv.Atoi(record["bytes"])
		if err != nil || record["result"] != "complete" {
			t.Errorf("%v, want it complete", record)
		}
		list = append(list, n)
	}
	return list
}

// resumed says that the last transfer of a path has moved just that much, which is what a client that resumes needs.
func resumed(t testing.TB, srv *plugintest.Server, path string, want int) {
	t.Helper()
	if list := moved(t, srv, path); len(list) == 0 || list[len(list)-1] != want {
		t.Errorf("transfers of %s have moved %v bytes, want %d at last", path, list, want)
	}
}

// private says that every transfer was under TLS, or none.
func private(t testing.TB, srv *plugintest.Server, want bool) {
	t.Helper()
	for _, record := range transferRecords(t, srv.Log()) {
		if record["tls"] != strconv.FormatBool(want) {
			t.Errorf("%v, want tls=%t", record, want)
		}
	}
}

// half is what a client has of content when it resumes.
const half = 777

func TestLftpResumes(t *testing.T) {
	plugintest.NeedTool(t, "lftp", "lftp")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, srv := serve(t, mode.args)
			here := t.TempDir()
			// lftp goes on with what is newer than its source.
			old := time.Now().Add(-48 * time.Hour)
			if err := os.Chtimes(filepath.Join(dir, "a.txt"), old, old); err != nil {
				t.Fatal(err)
			}
			lftp := lftpAt(t, mode.name, addr, here)

			write(t, filepath.Join(here, "a.txt"), content[:half])
			lftp("get -c a.txt")
			holds(t, content, here, "a.txt")
			resumed(t, srv, "/a.txt", len(content)-half)
			before := len(moved(t, srv, "/a.txt"))
			lftp("get -c a.txt")
			if list := moved(t, srv, "/a.txt"); len(list) > before && list[len(list)-1] > 0 {
				t.Errorf("get -c of what is complete moved %v bytes", list)
			}

			write(t, filepath.Join(dir, "up"), content[:half])
			lftp("put -c a.txt -o up")
			holds(t, content, dir, "up")
			resumed(t, srv, "/up", len(content)-half)

			// A mirror goes on in the middle of a file.
			if err := os.Mkdir(filepath.Join(here, "copy"), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(here, "copy", "a.txt"), content[:half])
			lftp("mirror --continue . copy")
			holds(t, content, here, "copy", "a.txt")
			holds(t, "deep", here, "copy", "sub", "deep", "ü ber.txt")
			resumed(t, srv, "/a.txt", len(content)-half)

			if err := os.Mkdir(filepath.Join(dir, "back"), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "back", "a.txt"), content[:half])
			lftp("mirror -R --continue copy back")
			holds(t, content, dir, "back", "a.txt")
			holds(t, "deep", dir, "back", "sub", "deep", "ü ber.txt")
			resumed(t, srv, "/back/a.txt", len(content)-half)
			lftp("mirror -R copy back; mirror back copy") // nothing to do
			if list := moved(t, srv, "/back/a.txt"); len(list) != 1 {
				t.Errorf("mirrors of what is mirrored moved %v bytes", list)
			}
			lftp("mirror --parallel=3 --use-pget-n=2 back twice")
			holds(t, content, here, "twice", "a.txt")
			private(t, srv, mode.name == "explicit" || mode.name == "implicit")
		})
	}
}

// TestLftpResumesUpload goes on with an upload that was broken off, of which nothing but SIZE tells.
func TestLftpResumesUpload(t *testing.T) {
	plugintest.NeedTool(t, "lftp", "lftp")
	for _, mode := range modes[:2] {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, srv := serve(t, mode.args)
			here := t.TempDir()
			write(t, filepath.Join(dir, ftp.PartName("", "up")), content[:half])
			write(t, filepath.Join(here, "up"), content)
			lftpAt(t, mode.name, addr, here)("put -c up")
			holds(t, content, dir, "up")
			resumed(t, srv, "/up", len(content)-half)
		})
	}
}

// lftpAt returns a function that gives commands to lftp.
func lftpAt(t *testing.T, mode, addr, here string) func(commands string) string {
	url := "ftp://" + addr
	setup := "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 20; set ssl:verify-certificate no; set ftp:ssl-allow-anonymous yes; set ftp:ssl-protect-data yes;"
	switch mode {
	case "explicit":
		setup += "set ftp:ssl-force yes;"
	case "implicit":
		url = "ftps://" + addr
	default:
		setup += "set ftp:ssl-allow no;"
	}
	return func(commands string) string {
		t.Helper()
		out, err := run(t, here, "lftp", "-c", setup+"open "+url+"; "+commands)
		if err != nil {
			t.Errorf("lftp %q: %v: %s", commands, err, out)
		}
		return out
	}
}

func TestCurlResumes(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, srv := serve(t, mode.args)
			here := t.TempDir()
			base, common := "ftp://"+addr, []string{"-sS", "--noproxy", "*", "-g"}
			switch mode.name {
			case "explicit":
				common = append(common, "--ssl-reqd", "-k")
			case "implicit":
				base, common = "ftps://"+addr, append(common, "-k")
			}
			curl := func(args ...string) string {
				t.Helper()
				out, err := run(t, here, "curl", append(slices.Clone(common), args...)...)
				if err != nil {
					t.Errorf("curl %q: %v: %s", args, err, out)
				}
				return out
			}
			write(t, filepath.Join(here, "a.txt"), content[:half])
			curl("-C", "-", "-o", "a.txt", base+"/a.txt")
			holds(t, content, here, "a.txt")
			resumed(t, srv, "/a.txt", len(content)-half)
			if got := curl("--range", strconv.Itoa(len(content)-half)+"-", base+"/a.txt"); got != content[len(content)-half:] {
				t.Errorf("--range to the end = %d bytes", len(got))
			}
			resumed(t, srv, "/a.txt", half)
			if got := curl("--range", "17-33", base+"/a.txt"); got != content[17:34] {
				t.Errorf("--range = %q", got)
			}
			if got := curl("--range", "-17", base+"/a.txt"); got != content[len(content)-17:] {
				t.Errorf("--range of the last bytes = %q", got)
			}

			write(t, filepath.Join(here, "up"), content)
			write(t, filepath.Join(dir, "up"), content[:half])
			curl("-C", "-", "-T", "up", base+"/up")
			holds(t, content, dir, "up")
			resumed(t, srv, "/up", len(content)-half)
			write(t, filepath.Join(here, "more"), "more")
			curl("-a", "-T", "more", base+"/up")
			holds(t, content+"more", dir, "up")
			resumed(t, srv, "/up", len("more"))
			curl("-a", "-T", "more", base+"/fresh")
			holds(t, "more", dir, "fresh")

			// Before, between and after the transfer; an asterisk is for a command that may fail.
			got := curl("-Q", "MKD q", "-Q", "*DELE nowhere", "-Q", "-RNFR /up", "-Q", "-RNTO /q/up", base+"/sub/b.txt")
			if got != "b" {
				t.Errorf("-Q = %q", got)
			}
			holds(t, content+"more", dir, "q", "up")
			if out, err := run(t, here, "curl", append(slices.Clone(common), "-Q", "DELE nowhere", base+"/sub/b.txt")...); err == nil {
				t.Errorf("-Q of a command that fails: %s", out)
			}
			curl("--ftp-create-dirs", "-T", "more", base+"/new/%C3%BC/z")
			holds(t, "more", dir, "new", "ü", "z")
			if out, err := run(t, here, "curl", append(slices.Clone(common), "-T", "more", base+"/none/z")...); err == nil {
				t.Errorf("an upload into a directory that is not there: %s", out)
			}
			for _, method := range []string{"nocwd", "singlecwd"} { // which are quicker, and not the default
				if got := curl("--ftp-method", method, base+"/sub/deep/%C3%BC%20ber.txt"); got != "deep" {
					t.Errorf("--ftp-method %s = %q", method, got)
				}
			}
			private(t, srv, mode.name == "explicit" || mode.name == "implicit")
		})
	}
}

// TestCurlWantsTLS says that a server without TLS is left by who insists on it, and one that insists by who has none.
func TestCurlWantsTLS(t *testing.T) {
	plugintest.NeedTool(t, "curl", "curl")
	_, clear, srv := serve(t, []string{"--listen", anyPort})
	if out, err := run(t, t.TempDir(), "curl", "-sS", "--noproxy", "*", "-k", "--ssl-reqd", "ftp://"+clear+"/a.txt"); err == nil {
		t.Errorf("--ssl-reqd of a server without TLS: %s", out)
	}
	if list := moved(t, srv, "/a.txt"); len(list) > 0 {
		t.Errorf("%v bytes went out in clear", list)
	}
	_, strict, srv := serve(t, []string{"--listen", anyPort, "--tls", "require"})
	if out, err := run(t, t.TempDir(), "curl", "-sS", "--noproxy", "*", "ftp://"+strict+"/a.txt"); err == nil {
		t.Errorf("in clear of a server that wants TLS: %s", out)
	}
	if list := moved(t, srv, "/a.txt"); len(list) > 0 {
		t.Errorf("%v bytes went out in clear", list)
	}
}

// TestTnftpCommands looks at what each command prints and leaves, as tnftp's exit code says nothing.
func TestTnftpCommands(t *testing.T) {
	plugintest.NeedTool(t, "tnftp", "tnftp")
	dir, addr, srv := serve(t, []string{"--listen", anyPort})
	stamp := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), stamp, stamp); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(addr, ":")
	here := t.TempDir()
	tnftp := func(commands ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "tnftp", "-a", "-v", "-n", host, port)
		cmd.Dir = here
		cmd.Env = append(os.Environ(), "HOME="+here, "TZ=UTC", "LC_ALL=C.UTF-8")
		cmd.Stdin = strings.NewReader("user anonymous x\nprompt off\n" + strings.Join(commands, "\n") + "\nquit\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "\n221 ") {
			t.Errorf("tnftp %q: %v: %s", commands, err, out)
		}
		return string(out)
	}
	tests := []struct {
		command string
		want    []string
	}{
		{"ls", []string{"-rw-r--r-- 1 ftp ftp       340000 Jan  2  2020 a.txt", "-rw-r--r-- 1 ftp ftp            0 ", " empty", "drwx", " sub"}},
		{"ls sub", []string{"b.txt", "deep"}},
		{"nlist", []string{"\na.txt\r\n", "\nempty\r\n", "\nsub\r\n"}},
		{"mlsd", []string{"Type=file;Size=340000;Modify=20200102030405; a.txt", "; empty", "Type=dir;", "; sub"}},
		{"mlst a.txt", []string{"Type=file;Size=340000;Modify=20200102030405;", "a.txt"}},
		{"modtime a.txt", []string{"02 Jan 2020 03:04:05"}},
		{"size a.txt", []string{"340000"}},
		{"pwd", []string{"Remote directory: /\r\n"}},
		{"rstatus", []string{"211"}},
		{"rhelp", []string{"214"}},
		{"system", []string{"215 UNIX Type: L8"}},
		{"features", []string{"MLST", "REST STREAM"}},
		{"delete nowhere", []string{"550"}},
	}
	for _, tt := range tests {
		out := strings.ReplaceAll(tnftp(tt.command), "\n", "\r\n")
		for _, want := range tt.want {
			if !strings.Contains(strings.ReplaceAll(out, "\r\r", "\r"), want) {
				t.Errorf("%s: %s\nwant %q in it", tt.command, out, want)
			}
		}
	}

	write(t, filepath.Join(here, "a.txt"), content[:half])
	tnftp("reget a.txt")
	holds(t, content, here, "a.txt")
	resumed(t, srv, "/a.txt", len(content)-half)
	if info, err := os.Stat(filepath.Join(here, "a.txt")); err != nil || !info.ModTime().Equal(stamp) {
		t.Errorf("reget has the time %v, %v, want %v", info.ModTime(), err, stamp)
	}
	if err := os.RemoveAll(filepath.Join(here, "a.txt")); err != nil {
		t.Fatal(err)
	}
	tnftp("mget a.txt emp*")
	holds(t, content, here, "a.txt")
	holds(t, "", here, "empty")
	write(t, filepath.Join(here, "one.up"), "one")
	write(t, filepath.Join(here, "two.up"), "two")
	tnftp("mkdir new", "cd new", "mput *.up", "append one.up two.up", "rename one.up three.up")
	holds(t, "twoone", dir, "new", "two.up")
	holds(t, "one", dir, "new", "three.up")
	tnftp("put a.txt up", "passive off", "put a.txt up2", "epsv off", "put a.txt up3", "passive on", "get up3 down3")
	for _, name := range []string{"up", "up2", "up3"} {
		holds(t, content, dir, name)
	}
	holds(t, content, here, "down3")
	tnftp("mdelete new/*", "rmdir new", "delete up")
	for _, name := range []string{"new", "up"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

// ftplibMore is what else the tests do with Python's ftplib. Its arguments are the mode, host and port.
const ftplibMore = `
import ftplib, io, ssl, sys, time
mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Resuming(ftplib.FTP_TLS):
    resumed = 0
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
            assert conn.session_reused, cmd
            Resuming.resumed += 1
        return conn, size

if mode == "explicit":
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    f = Resuming(context=context)
else:
    f = ftplib.FTP()
f.encoding = "utf-8"
f.connect(host, port, timeout=20)
f.login()
if mode == "explicit":
    f.prot_p()

def abort(data):
    """Sends ABOR as urgent bytes, and gets two answers."""
    assert f.abort()[:3] in ("426", "226") # a small file may be out
    data.close()
    assert f.voidresp().startswith("226")
    assert f.voidcmd("NOOP").startswith("200")

for passive in True, False:
    f.set_pasv(passive)
    facts = dict(f.mlsd("/"))
    assert set(facts) == {"a.txt", "empty", "sub"}, facts
    f1 = facts["a.txt"]
    assert f1["type"] == "file" and int(f1["size"]) == int(sys.argv[4]) and len(f1["modify"]) == 14, f1
    assert facts["sub"]["type"] == "dir", facts["sub"]
    assert dict(f.mlsd("/", facts=["type", "size"]))["a.txt"]["size"] == f1["size"]
    time.strptime(f1["modify"], "%Y%m%d%H%M%S")

    # An upload is broken off: the part can be taken up.
    data = f.transfercmd("STOR up")
    data.sendall(b"x" * 100)
    abort(data)
    f.storbinary("STOR up", io.BytesIO(b"0123456789"))
    f.storbinary("STOR up", io.BytesIO(b"abc"), rest=4)
    out = []
    f.retrbinary("RETR up", out.append)
    assert b"".join(out) == b"0123abc", out
    out = []
    f.retrbinary("RETR up", out.append, rest=2)
    assert b"".join(out) == b"23abc", out
    f.storbinary("APPE up", io.BytesIO(b"def"))
    assert f.size("up") == 10

    # A download is broken off.
    data = f.transfercmd("RETR a.txt")
    data.recv(100)
    abort(data)

    # Lines.
    f.storlines("STOR lines", io.BytesIO(b"one\r\ntwo\nthree"))
    lines = []
    f.retrlines("RETR lines", lines.append)
    assert lines == ["one", "two", "three"], lines
    names = []
    f.retrlines("NLST sub", names.append)
    assert [n.split("/")[-1] for n in names] == ["b.txt", "deep"], names
    f.voidcmd("TYPE I")
    out = []
    f.retrbinary("RETR lines", out.append)
    assert b"".join(out) == b"one\ntwo\nthree\n", out
    f.delete("up"); f.delete("lines")
    for cmd in "DELE nowhere", "RETR nowhere", "CWD nowhere", "RMD nowhere":
        try:
            f.voidcmd(cmd)
            assert False, cmd
        except (ftplib.error_perm, ftplib.error_temp):
            pass
if mode == "explicit":
    assert Resuming.resumed > 20, Resuming.resumed
assert f.quit().startswith("221")
`

func TestFtplibMore(t *testing.T) {
	plugintest.NeedTool(t, "python3", "python3")
	for _, mode := range modes {
		if mode.name == "implicit" {
			continue // which ftplib cannot do by itself
		}
		t.Run(mode.name, func(t *testing.T) {
			dir, addr, srv := serve(t, mode.args)
			i := strings.LastIndexByte(addr, ':')
			out, err := run(t, t.TempDir(), "python3", "-c", ftplibMore, mode.name, strings.Trim(addr[:i], "[]"), addr[i+1:], strconv.Itoa(len(content)))
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			if left, _ := os.ReadDir(dir); len(left) != 3 {
				t.Errorf("left behind: %v", left)
			}
			private(t, srv, mode.name == "explicit")
		})
	}
}

// TestGoClientWalks compares what a Go client finds with what is there.
func TestGoClientWalks(t *testing.T) {
	for _, mode := range modes[:2] {
		t.Run(mode.name, func(t *testing.T) {
			dir, _, srv := serve(t, mode.args)
			var options []jlaffaye.DialOption
			if mode.name == "explicit" {
				options = append(options, jlaffaye.DialWithExplicitTLS(trusting()))
			}
			c := login(t, srv, options...)

			var want, got []string
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && path != dir {
					rel, _ := filepath.Rel(dir, path)
					want = append(want, "/"+filepath.ToSlash(rel))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for walker := c.Walk("/"); walker.Next(); {
				if err := walker.Err(); err != nil {
					t.Fatal(err)
				}
				got = append(got, walker.Path())
				info, err := os.Stat(filepath.Join(dir, walker.Path()))
				entry := walker.Stat()
				switch {
				case err != nil:
					t.Error(err)
				case info.IsDir() != (entry.Type == jlaffaye.EntryTypeFolder), !info.IsDir() && uint64(info.Size()) != entry.Size,
					!info.ModTime().UTC().Truncate(time.Second).Equal(entry.Time):
					t.Errorf("%s is %+v, want %v", walker.Path(), entry, info)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("a walk found %q, want %q", got, want)
			}

			if err := c.Stor("up", strings.NewReader(content[:half])); err != nil {
				t.Fatal(err)
			}
			if err := c.Append("up", strings.NewReader(content[half:2*half])); err != nil {
				t.Fatal(err)
			}
			if err := c.StorFrom("up", strings.NewReader(content[half:]), half); err != nil {
				t.Fatal(err)
			}
			holds(t, content, dir, "up")
			if list := moved(t, srv, "/up"); !slices.Equal(list, []int{half, half, len(content) - half}) {
				t.Errorf("uploads moved %v bytes", list)
			}
			r, err := c.RetrFrom("up", half)
			if err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(rest, []byte(content[half:])) {
				t.Errorf("RetrFrom = %d bytes, %v", len(rest), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if entry, err := c.GetEntry("up"); err != nil || entry.Size != uint64(len(content)) {
				t.Errorf("GetEntry = %+v, %v", entry, err)
			}
			stamp := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
			if err := c.SetTime("up", stamp); err != nil {
				t.Error(err)
			}
			if at, err := c.GetTime("up"); err != nil || !at.Equal(stamp) {
				t.Errorf("GetTime = %v, %v", at, err)
			}
			private(t, srv, mode.name == "explicit")
		})
	}
}
