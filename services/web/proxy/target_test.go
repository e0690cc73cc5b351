package proxy

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzLocation says that whatever path comes, the upstream's is a proper one below its base, with the same meaning.
func FuzzLocation(f *testing.F) {
	for _, seed := range [][3]string{
		{"http://a", "", "/"}, {"http://a/", "/api", "/api"}, {"http://a/b%2Fc/", "/api", "/%61pi%2f..%2f?x"}, {"unix:/s:/b", "", "//a;b/%ff?"}, {"https://a:1/b", "/ä", "/%C3%A4/x|y"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, arg, prefix, path string) {
		tg, err := parseTarget(arg)
		if err != nil {
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || prefix != "" && (prefix[0] != '/' || strings.HasSuffix(prefix, "/")) {
			return
		}
		out := tg.location(prefix, u)
		if out.Host != tg.url.Host || out.Scheme != tg.url.Scheme || out.RawQuery != u.RawQuery {
			t.Fatalf("location(%q, %q) = %q: not the upstream's", prefix, path, out)
		}
		wire := out.RequestURI()
		if wire[0] != '/' || strings.ContainsAny(wire, " \r\n\t\x00#") {
			t.Fatalf("location(%q, %q) = %q on the wire", prefix, path, wire)
		}
		back, err := url.ParseRequestURI(wire)
		if err != nil || back.Path != out.Path {
			t.Fatalf("location(%q, %q) = %q, read as %v (%v)", prefix, path, out.Path, back, err)
		}
		if tg.replaces && !strings.HasPrefix(out.Path, tg.base) {
			t.Fatalf("location(%q, %q) = %q: not below %q", prefix, path, out.Path, tg.base)
		}
	})
}

// FuzzLeaves says that a path that is let through stays inside when dot segments are resolved, slashes merged or not.
func FuzzLeaves(f *testing.F) {
	for _, seed := range []string{"/a/../b", "/..", "//a/..//..", "/a/./../.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if !strings.HasPrefix(p, "/") || leaves(p) {
			return
		}
		if got := path.Clean("/in/side" + p); got != "/in/side" && !strings.HasPrefix(got, "/in/side/") {
			t.Fatalf("leaves(%q) = false, but it leads to %q", p, got)
		}
		u := url.URL{Scheme: "http", Host: "a", Path: "/in/side" + p}
		if got := u.JoinPath().Path; got != "/in/side" && !strings.HasPrefix(got, "/in/side/") {
			t.Fatalf("leaves(%q) = false, but net/url makes it %q", p, got)
		}
	})
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct{ remote, want string }{
		{"127.0.0.1:80", "127.0.0.1"}, {"[::1]:80", "::1"}, {"10.0.0.1", "10.0.0.1"}, {"@", ""}, {"", ""}, {"/run/s", ""}, {"evil, 1.2.3.4:80", ""},
	} {
		if got := address(tt.remote); got != tt.want {
			t.Errorf("address(%q) = %q, want %q", tt.remote, got, tt.want)
		}
	}
}

func TestLeaves(t *testing.T) {
	for _, tt := range []struct {
		path string
		want bool
	}{
		{"", false}, {"/", false}, {"/a/..", false}, {"/a/../b/..", false}, {"/...", false}, {"/..a", false}, {"/a..", false},
		{"/..", true}, {"/a/../..", true}, {"/./..", true}, {"//..", true}, {`/..\`, true}, {"/..;x", true}, {"/.;x/..", true}, {"/a/;/../..", true},
	} {
		if got := leaves(tt.path); got != tt.want {
			t.Errorf("leaves(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
}
