package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// verifier is the users of no file.
type verifier func(ctx context.Context, name, password string) (bool, error)

func (v verifier) Verify(ctx context.Context, name, password string) (bool, error) {
	return v(ctx, name, password)
}
func (verifier) Names() []string              { return nil }
func (verifier) Reload(context.Context) error { return nil }

func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

// joes is a file in which the password of joe and of "j e" is "öpen:sesame", and that of nobody is empty.
const joes = "joe:{SHA}ZnO1qqms50ou55fV7zis66aZp6o=\nj e:{SHA}ZnO1qqms50ou55fV7zis66aZp6o=\nnobody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n"

func TestBasicAuth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(joes), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := plugintest.Env(t, "web").Users(path)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name          string
		authorization []string
		status        int
		user          string // in the access record
	}{
		{"none", nil, 401, "-"},
		{"right", []string{basic("joe:öpen:sesame")}, 200, "joe"},
		{"right again", []string{basic("joe:öpen:sesame")}, 200, "joe"},
		{"name with a space", []string{basic("j e:öpen:sesame")}, 200, `j\x20e`},
		{"empty password", []string{basic("nobody:")}, 200, "nobody"},
		{"scheme in other letters", []string{"bAsIc" + strings.TrimPrefix(basic("joe:öpen:sesame"), "Basic")}, 200, "joe"},
		{"two spaces", []string{strings.Replace(basic("joe:öpen:sesame"), " ", "  ", 1)}, 200, "joe"},
		{"wrong password", []string{basic("joe:öpen")}, 401, "-"},
		{"wrong name", []string{basic("anna:öpen:sesame")}, 401, "-"},
		{"name in other letters", []string{basic("Joe:öpen:sesame")}, 401, "-"},
		{"latin-1", []string{basic("joe:\xf6pen:sesame")}, 401, "-"},
		{"no colon", []string{basic("joe")}, 401, "-"},
		{"empty", []string{""}, 401, "-"},
		{"scheme alone", []string{"Basic"}, 401, "-"},
		{"another scheme", []string{"Bearer " + strings.TrimPrefix(basic("joe:öpen:sesame"), "Basic ")}, 401, "-"},
		{"no scheme", []string{strings.TrimPrefix(basic("joe:öpen:sesame"), "Basic ")}, 401, "-"},
		{"digest", []string{`Digest username="joe", realm="x"`}, 401, "-"},
		{"not base64", []string{"Basic !joe:öpen"}, 401, "-"},
		{"base64 with more behind it", []string{basic("joe:öpen:sesame") + ", x"}, 401, "-"},
		{"base64 without padding", []string{strings.TrimRight(basic("joe:öpen:sesame"), "=")}, 401, "-"},
		{"base64 with loose bits", []string{"Basic am9lOsO2cGVuOnNlc2FtZR=="}, 401, "-"},
		{"two, the first right", []string{basic("joe:öpen:sesame"), basic("joe:x")}, 401, "-"},
		{"two alike", []string{basic("joe:öpen:sesame"), basic("joe:öpen:sesame")}, 401, "-"},
		{"NUL behind", []string{basic("joe:öpen:sesame\x00")}, 401, "-"},
		{"NUL in the name", []string{basic("joe\x00:öpen:sesame")}, 401, "-"},
		{"record in the name", []string{basic("joe\n127.0.0.1 - root:x")}, 401, "-"},
		{"enormous", []string{basic("joe:" + strings.Repeat("x", 60000))}, 401, "-"},
		{"long", []string{basic(strings.Repeat("x", 1500) + ":" + strings.Repeat("x", 1500))}, 401, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var records memory
			passed := ""
			next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { passed = r.Header.Get("Authorization") })
			log := slog.New(slog.DiscardHandler)
			f := &front{guards: &guards{}, access: newAccessLog(&records, formatCombined), log: log, next: newBasicAuth(next, users, `a "b"\`, log)}
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = tt.authorization
			f.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("%q = %d, want %d", tt.authorization, w.Code, tt.status)
			}
			want := ""
			if tt.status == 401 {
				want = `Basic realm="a \"b\"\\", charset="UTF-8"`
			} else if passed != tt.authorization[0] {
				t.Errorf("the handler sees Authorization %q, want it as it was", passed)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("WWW-Authenticate: %s, want %s", got, want)
			}
			if got := records.String(); !strings.HasPrefix(got, "192.0.2.1 - "+tt.user+" [") || strings.Count(got, "\n") != 1 {
				t.Errorf("record %q, want one of user %s", got, tt.user)
			}
		})
	}
}

func TestBasicAuthTroubles(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		right  bool
		gone   bool
		status int // 0 means that the connection breaks
		retry  string
		logged string
	}{
		{"full", plugins.ErrFull, false, false, 503, "1", ""},
		{"trouble", errors.New("boom"), false, false, 500, "", `level=ERROR msg="cannot check a password" error=boom`},
		{"client gone", context.Canceled, false, true, 0, "", ""},
		{"wrong", nil, false, false, 401, "", `level=INFO msg="wrong user or password" user="j\u2028e" client=192.0.2.1`},
		{"right", nil, true, false, 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text bytes.Buffer
			log := slog.New(slog.NewTextHandler(&text, nil))
			verify := verifier(func(context.Context, string, string) (bool, error) { return tt.right, tt.err })
			a := newBasicAuth(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), verify, "", log)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.gone {
				cancel()
			}
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil)
			r.SetBasicAuth("j\u2028e", "x")
			status := func() (status int) {
				defer func() {
					if v := recover(); v != nil && v != http.ErrAbortHandler {
						t.Errorf("panic with %v", v)
					}
				}()
				a.ServeHTTP(w, r)
				return w.Code
			}()
			if status != tt.status || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("= %d, Retry-After %q, want %d, %q", status, w.Header().Get("Retry-After"), tt.status, tt.retry)
			}
			if got := text.String(); tt.logged == "" && got != "" || !strings.Contains(got, tt.logged) {
				t.Errorf("log %q, want %q", got, tt.logged)
			}
			if got := w.Header().Get("WWW-Authenticate"); status == 401 && got != `Basic realm="restricted", charset="UTF-8"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
		})
	}
}

// TestRefusedBody says that a connection goes on after a request was refused whose body nobody wanted.
func TestRefusedBody(t *testing.T) {
	users := verifier(func(context.Context, string, string) (bool, error) { return false, nil })
	log := slog.New(slog.DiscardHandler)
	srv := httptest.NewServer(newBasicAuth(http.NotFoundHandler(), users, "", log))
	defer srv.Close()
	for range 2 {
		res, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
		if err != nil || res.StatusCode != 401 {
			t.Fatalf("Post() = %v, %v, want 401", res, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

func TestRealm(t *testing.T) {
	for _, s := range []string{"", "a b", `"quoted"`, "Geschützt"} {
		var z realm
		if err := z.Set(s); err != nil || z.String() != s {
			t.Errorf("Set(%q) = %v, now %q", s, err, z)
		}
	}
	for _, s := range []string{"a\r\nSet-Cookie: x", "\x00", "\x7f", "\u0085"} {
		var z realm
		if err := z.Set(s); err == nil || z != "" {
			t.Errorf("Set(%q) = %v, now %q, want an error", s, err, z)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add(basic("joe:öpen:sesame"))
	f.Add("Basic")
	f.Add("Basic ====")
	f.Fuzz(func(t *testing.T, value string) {
		name, password, ok := credentials([]string{value})
		if !ok && name+password != "" || strings.ContainsAny(name, ":\x00\n\r") || strings.ContainsAny(password, "\x00\n\r") {
			t.Errorf("credentials(%q) = %q, %q, %v", value, name, password, ok)
		}
	})
}
