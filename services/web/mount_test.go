package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
)

func TestParseMount(t *testing.T) {
	tests := []struct {
		name, text            string
		host, path, kind, arg string
		options               []setting
	}{
		{"all", "/=static:/srv/site", "", "", "static", "/srv/site", nil},
		{"path", "/files=static:.", "", "/files", "static", ".", nil},
		{"slash at the end", "/files/=static:.", "", "/files", "static", ".", nil},
		{"host", "example.org/=static:.", "example.org", "", "static", ".", nil},
		{"host in capitals, with a dot", "Example.ORG./a=static:.", "example.org", "/a", "static", ".", nil},
		{"all names below", "*.example.org/=static:.", "*.example.org", "", "static", ".", nil},
		{"address", "[::1]/=static:.", "[::1]", "", "static", ".", nil},
		{"colons in the argument", "/=proxy:http://127.0.0.1:9000/x", "", "", "proxy", "http://127.0.0.1:9000/x", nil},
		{"no argument", "/=hello", "", "", "hello", "", nil},
		{"options", "/=static:.,listing=off,hidden,index=", "", "", "static", ".", []setting{{"listing", "off", false}, {"hidden", "", true}, {"index", "", false}}},
		{"equals sign in a value", "/=static:.,cache-control=*.css=max-age=3", "", "", "static", ".", []setting{{"cache-control", "*.css=max-age=3", false}}},
		{"escapes", `/a\=b=static:c\,d\:e\\f,index=g\,h`, "", "/a=b", "static", `c,d:e\f`, []setting{{"index", "g,h", false}}},
		{"backslash at the end", `/=static:a\`, "", "", "static", `a\`, nil},
		{"spaces", "/my files=static:my files", "", "/my files", "static", "my files", nil},
		{"no ASCII", "/ü=static:ü", "", "/ü", "static", "ü", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parseMount(tt.text)
			if err != nil || m.host != tt.host || m.path != tt.path || m.kind != tt.kind || m.arg != tt.arg || !slices.Equal(m.options, tt.options) {
				t.Errorf("parseMount(%q) = %+v, %v", tt.text, m, err)
			}
		})
	}
}

// FuzzMount says that what is understood is understood in the same way once more when it is written out with all escapes.
func FuzzMount(f *testing.F) {
	for _, seed := range []string{
		"/=static:.", "example.org/a=proxy:http://127.0.0.1:80,host=keep", `/a\=b\,c=static:\:\\,index=\,`, "*./=x", "/=static:.,,", "/=:", "=", `\`,
		"[::1]:80/=static:.", "/..=static:.", "//=x", "/%=x", "/=static:.,a,b=,c=d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMount(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Errorf("parseMount(%q): an error without words", text)
			}
			return
		}
		again, err := parseMount(m.escaped())
		if err != nil || again.host != m.host || again.path != m.path || again.kind != m.kind || again.arg != m.arg || !slices.Equal(again.options, m.options) {
			t.Errorf("parseMount(%q) = %+v, but %q = %+v, %v", text, m, m.escaped(), again, err)
		}
		if m.path != "" && (m.path[0] != '/' || strings.HasSuffix(m.path, "/")) || m.host != strings.ToLower(m.host) {
			t.Errorf("parseMount(%q) = %+v", text, m)
		}
	})
}

// escaped writes the mount with a backslash before whatever may mean something.
func (m *mountSpec) escaped() string {
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`, "=", `\=`).Replace
	s := escape(m.host+m.path) + "/=" + escape(m.kind) + ":" + escape(m.arg)
	for _, o := range m.options {
		s += "," + escape(o.name)
		if !o.bare {
			s += "=" + escape(o.value)
		}
	}
	return s
}

// mounted is a site of mounts whose handlers say who they are.
func mounted(places ...string) *router {
	t := &router{}
	for _, place := range places {
		host, path, _ := strings.Cut(place, "/")
		path = strings.TrimSuffix("/"+path, "/")
		t.add(&mount{host: host, path: path, handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Mount", place)
		})})
	}
	return t
}

func TestRouter(t *testing.T) {
	router := mounted("/", "/files", "/files/deep", "example.org/", "example.org/only", "*.example.org/", "*.a.example.org/x", "[::1]/")
	tests := []struct{ host, path, want string }{
		{"", "/", "/"},
		{"x", "/files", "/files"},
		{"x", "/files/", "/files"},
		{"x", "/files/a", "/files"},
		{"x", "/filesystem", "/"},
		{"x", "/files/deep/a", "/files/deep"},
		{"x", "/files/deeper", "/files"},
		{"example.org", "/files", "example.org/"},
		{"example.org", "/only/x", "example.org/only"},
		{"EXAMPLE.org:8080", "/only", "example.org/only"},
		{"example.org.", "/only", "example.org/only"},
		{"example.org.:80", "/", "example.org/"},
		{"b.example.org", "/", "*.example.org/"},
		{"c.b.example.org", "/", "*.example.org/"},
		{"b.a.example.org", "/x", "*.a.example.org/x"},
		{"b.a.example.org", "/y", "*.example.org/"},
		{"example.org.evil", "/", "/"},
		{"notexample.org", "/", "/"},
		{"*.example.org", "/", "*.example.org/"},
		{"[::1]:80", "/", "[::1]/"},
		{"[::1]", "/", "[::1]/"},
		{"[::2]:80", "/", "/"},
		{".", "/", "/"},
		{":", "/", "/"},
	}
	for _, tt := range tests {
		m := router.find(tt.host, tt.path)
		if m == nil || m.host+m.path+"/" != strings.TrimSuffix(tt.want, "/")+"/" {
			t.Errorf("find(%q, %q) = %+v, want %s", tt.host, tt.path, m, tt.want)
		}
	}
	if m := mounted("/files").find("x", "/filesystem"); m != nil {
		t.Errorf("find() = %+v, want nothing", m)
	}
}

func TestRedirectLoops(t *testing.T) {
	tests := []struct {
		name   string
		mounts []string
		loop   bool
	}{
		{"to itself", []string{"/old=redirect:/old"}, true},
		{"below itself", []string{"/old=redirect:/old/new"}, true},
		{"the root", []string{"/=redirect:/new"}, true},
		{"the root exactly", []string{"/=redirect:/,exact"}, true},
		{"in a circle", []string{"/a=redirect:/b", "/b=redirect:/c/x", "/c=redirect:/a"}, true},
		{"into a circle", []string{"/a=redirect:/b", "/b=redirect:/b/c"}, true},
		{"on a host", []string{"example.org/=redirect:/x"}, true},
		{"the root to a mount", []string{"/=redirect:/app/", "/app=static:."}, false},
		{"a chain", []string{"/a=redirect:/b", "/b=redirect:/c", "/c=static:."}, false},
		{"to nothing", []string{"/a=redirect:/b"}, false},
		{"to another host", []string{"/=redirect:https://example.org"}, false},
		{"to a mount of another host", []string{"example.org/=redirect:/x", "/x=static:."}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			for _, m := range tt.mounts {
				args = append(args, "--mount", m)
			}
			err := made(t, args...)
			if usage, ok := errors.AsType[*plugins.UsageError](err); ok != tt.loop || !ok && err != nil || ok && !strings.Contains(usage.Reason, "leads back") {
				t.Errorf("%q: %v, want a loop: %v", args, err, tt.loop)
			}
		})
	}
}
