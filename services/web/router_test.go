package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
)

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
		{strings.Repeat("a.", 40_000) + "example.org", "/", "/"},
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
