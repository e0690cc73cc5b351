package ftp

import (
	"encoding/csv"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/part"
)

// FuzzLocal says that no path of a client leads out of the root or to an unfinished upload.
func FuzzLocal(f *testing.F) {
	for _, name := range []string{"/", "/a", "/../a", "/a/../../b", "/.gtwistd-a.part", "/a\x00b", "//", "/./.", `/\..\a`, "/c:a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !path.IsAbs(name) {
			t.Skip("the library's are absolute")
		}
		rel, err := (&files{}).local(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(rel) || strings.Contains("/"+rel+"/", "/../") || part.Is(path.Base(rel)) {
			t.Errorf("local(%q) = %q", name, rel)
		}
	})
}

// FuzzPartName says that no two files, of whatever users, have the same part, and that none is taken for one to be swept.
func FuzzPartName(f *testing.F) {
	f.Add("", "a", "alice", "a")
	f.Add("alice", strings.Repeat("L", 250), "alice", "d3ad")
	f.Add("a", "b-c", "a-b", "c")
	const maxName = 255
	f.Fuzz(func(t *testing.T, user, name, user2, name2 string) {
		if len(name) > maxName || len(name2) > maxName || strings.Contains(name+name2, "\x00") {
			t.Skip("no file has that name")
		}
		got := partName(user, name)
		if !part.Is(got) || isRandom(got) || len(got) > maxName {
			t.Errorf("partName(%q, %q) = %q", user, name, got)
		}
		if same := user == user2 && name == name2; same != (got == partName(user2, name2)) {
			t.Errorf("partName(%q, %q) = %q, as of %q, %q", user, name, got, user2, name2)
		}
	})
}

// FuzzQuoted says that the library, which reads CSV, finds a name as the client has sent it, and that what is behind one is numbers.
func FuzzQuoted(f *testing.F) {
	for _, name := range []string{"a", "a b", `a"b`, `a""`, " ", "a\r", "a 1 2", " 1", "1 2 3 4", "a -1 +2", "\xff \x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || name[0] == '"' || strings.Contains(name, "\n") {
			t.Skip("as the library has it")
		}
		r := csv.NewReader(strings.NewReader(quoted(name)))
		r.Comma = ' '
		if got, err := r.Read(); err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("quoted(%q) = %q, read as %q, %v", name, quoted(name), got, err)
		}
		names := namesBefore(name)
		for i, short := range names {
			words := strings.Split(name[len(short):], " ")
			if short == "" || len(words) != i+1 || words[0] != "" || i > 2 {
				t.Errorf("namesBefore(%q) = %q", name, names)
			}
		}
	})
}

// FuzzClean says that what Telnet adds is gone, and that cut finds a command without blanks.
func FuzzClean(f *testing.F) {
	for _, line := range []string{"NOOP\r", "\xff\xf4\xff\xf2ABOR\r", "\xff\xf4\xffABOR", "\xf2ABOR", "a\r\x00b", "\xff", "\xff\xff", "\xff\xfb", " RETR a b"} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if strings.Contains(string(line), "\n") {
			t.Skip("a line has none")
		}
		out := clean(line, false)
		if len(out) > len(line) {
			t.Errorf("clean(%q) = %q", line, out)
		}
		if verb, _ := cut(string(out)); strings.Contains(verb, " ") {
			t.Errorf("cut(%q) has the command %q", out, verb)
		}
	})
}

func TestCleanUnderTLS(t *testing.T) {
	for line, want := range map[string]string{
		"STOR \xff\xfe-bytes\r": "STOR \xff\xfe-bytes", "STOR \xff\xff": "STOR \xff\xff", "\xff\xf4\xff\xf2ABOR\r": "ABOR", "a\r\x00b": "a\rb",
	} {
		if got := clean([]byte(line), true); string(got) != want {
			t.Errorf("clean(%q) = %q, want %q", line, got, want)
		}
	}
}

// FuzzAddress says that the addresses of active mode are whole.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"127,0,0,1,4,1", "|1|127.0.0.1|1025|", "|2|::1|1025|", "|2|fe80::1%eth0|1025|", "||||", "1,2,3,4,5,6,7", "|1|::ffff:1.2.3.4|5|"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (netip.AddrPort, bool){parsePORT, parseEPRT} {
			if addr, ok := parse(s); ok && (!addr.IsValid() || addr.Addr().Zone() != "" || addr.Addr().Is4In6()) {
				t.Errorf("%q = %v", s, addr)
			}
		}
	})
}

// FuzzReplies says that an answer's last line is known by its code alone, and that a port and a record of a transfer are read as
// they were written, whatever is in a name.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{"227 Entering Passive Mode (1,2,3,4,5,6)", "229 Entering (|||5|)", "150 x", "2", "", "999 x", "+12 x", "099 x", "-99 x", "1_0 x", "150-x", "a b\tc\nd\x85\xff"} {
		f.Add(s, uint16(len(s)))
	}
	last := regexp.MustCompile(`^[1-9][0-9][0-9] `)
	f.Fuzz(func(t *testing.T, s string, port uint16) {
		code, final := codeOf(s)
		if final != last.MatchString(s) || final && strconv.Itoa(code) != s[:3] {
			t.Errorf("codeOf(%q) = %d, %t", s, code, final)
		}
		_, _ = passivePort(s) // from the library only
		if got, extended := passivePort(passiveReply(netip.AddrFrom4([4]byte{192, 0, 2, 1}), int(port))); got != int(port) || extended {
			t.Errorf("passivePort() = %d, %t, want %d", got, extended, port)
		}
		line := xferline(xfer{path: "/" + s, user: "u" + s, client: "192.0.2.1"})
		const columns = 18 // of which the time has five
		if fields := strings.Fields(line); len(fields) != columns || strings.ContainsAny(line, "\r\n\x00") || fields[columns-1] != "i" {
			t.Errorf("%d fields in %q, want %d", len(fields), line, columns)
		}
	})
}

// FuzzValues says that what options take is the same when it is set again from what they show.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "::1", "1.2.3.4", "10.0.0.0/8=1.2.3.4", "::/0=home.example", "50000-50100", "21", "fe80::1%eth0", "=", "-"} {
		f.Add(s)
	}
	type value interface {
		Set(string) error
		String() string
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, fresh := range []func() value{
			func() value { return &networks{} }, func() value { return &publicIPs{} }, func() value { return &portRange{} },
		} {
			one, two := fresh(), fresh()
			if one.Set(s) != nil {
				continue
			}
			if err := two.Set(one.String()); err != nil || two.String() != one.String() {
				t.Errorf("%T: %q is shown as %q, which is %q, %v", one, s, one, two, err)
			}
		}
	})
}
