package web

import (
	"errors"
	"os"
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

func TestMountMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("public", 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, text, want string }{
		{"no kind but a directory", "/=public", "did you mean static:public?"},
		{"no kind but an upstream", "/api=http://127.0.0.1:9000", "did you mean proxy:http://127.0.0.1:9000?"},
		{"a kind that is none", "/=statics:public", "there are static, proxy, redirect"},
		{"no slash", "api=static:public", `write "/api=…" for a path, "api/=…" for all of a host`},
		{"scheme", "http://example.org/=static:public", "a host goes without the scheme"},
		{"port", "example.org:80/=static:public", "without a port"},
		{"spaces around the sign", "/api = static:public", `kind " static": without spaces`},
		{"space behind the comma", "/=static:public, compress", `option " compress": without spaces`},
		{"comma at the end", "/=static:public,", "no option behind a comma"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := (&mountList{kinds: builtIn()}).Set(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Set(%q) = %v, want %q", tt.text, err, tt.want)
			}
		})
	}
}

// TestIdleOptions says when an option that needs another one is a mistake, and when it is for another mount.
func TestIdleOptions(t *testing.T) {
	dir := t.TempDir()
	plain, upload := "/plain=static:"+dir, "/in=static:"+dir+",upload"
	tests := []struct {
		name    string
		args    []string
		mistake bool
	}{
		{"alone", []string{"--upload-overwrite"}, true},
		{"a limit alone", []string{"--upload-max", "5M"}, true},
		{"no mount takes files", []string{"--upload-overwrite", "--mount", plain}, true},
		{"one mount takes files", []string{"--upload-overwrite", "--mount", plain, "--mount", upload}, false},
		{"a mount's own", []string{"--mount", upload, "--mount", plain + ",upload-overwrite"}, true},
		{"all but one", []string{"--upload", "--upload-overwrite", "--mount", upload, "--mount", plain + ",upload=false"}, false},
		{"realm alone", []string{"--auth-realm", "x"}, true},
		{"realm of a mount", []string{"--mount", plain + ",auth-realm=x"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := made(t, tt.args...)
			if _, ok := errors.AsType[*plugins.UsageError](err); ok != tt.mistake || !ok && err != nil {
				t.Errorf("%q: %v, want a mistake: %v", tt.args, err, tt.mistake)
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
