package proxy_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web/proxy"
)

func TestUsageErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const good = "http://a:1"
	for _, tt := range []struct {
		name, arg string
		options   []string
		want      string
	}{
		{"nothing", "", nil, `proxy "": no address`},
		{"no scheme", "localhost:80", nil, `proxy "localhost:80": not an address with its scheme`},
		{"number", "127.0.0.1:80", nil, `proxy "127.0.0.1:80": not an address with its scheme`},
		{"another scheme", "ftp://a", nil, `proxy "ftp://a": "ftp" is no scheme to proxy to`},
		{"no host", "http://:80", nil, `proxy "http://:80": no host`},
		{"no host at all", "http:///a", nil, `proxy "http:///a": no host`},
		{"bad port", "http://a:99999", nil, `proxy "http://a:99999": no port between 1 and 65535`},
		{"port 0", "http://a:0", nil, `proxy "http://a:0": no port between 1 and 65535`},
		{"no port", "http://a:", nil, `proxy "http://a:": no port between 1 and 65535`},
		{"user", "http://u:p@a", nil, `proxy "http://u:p@a": a user name is not taken here`},
		{"query", "http://a/?b", nil, `proxy "http://a/?b": nothing may follow the path`},
		{"fragment", "http://a/#", nil, `proxy "http://a/#": nothing may follow the path`},
		{"odd host", `http://a"b/`, nil, `proxy "http://a\"b/": no host`},
		{"relative socket", "unix:a.sock", nil, `proxy "unix:a.sock": not the absolute path of a socket`},
		{"no socket", "unix:", nil, `proxy "unix:": not the absolute path of a socket`},
		{"socket with a query", "unix:/a:/b?c", nil, `proxy "unix:/a:/b?c": what follows the socket is not a path`},
		{"another upstream", good, []string{"upstream=b:1"}, `upstream "b:1": not an address with its scheme`},
		{"twice", good, []string{"upstream=" + good}, `upstream "http://a:1": given twice`},
		{"host", good, []string{"host=other"}, `host "other": neither keep nor upstream nor auto`},
		{"h2c", good, []string{"upgrade=H2C"}, `upgrade "H2C": requests inside it would pass all checks by`},
		{"upgrade", good, []string{"upgrade=a b"}, `upgrade "a b": not the name of a protocol`},
		{"fails", good, []string{"max-fails=-1"}, `max-fails "-1": less than 0`},
		{"no rest", good, []string{"fail-timeout=0"}, `fail-timeout "0": an upstream must rest for some time`},
		{"no time to connect", good, []string{"connect-timeout=0"}, `connect-timeout "0": no connection is made in no time`},
		{"authorities for nobody", good, []string{"tls-ca=" + empty}, "tls-ca and tls-insecure: no upstream here speaks TLS"},
		{"trust for nobody", good, []string{"tls-insecure=true"}, "tls-ca and tls-insecure: no upstream here speaks TLS"},
		{"authorities for nothing", "https://a:1", []string{"tls-insecure=true", "tls-ca=" + empty}, "tls-ca and tls-insecure: any certificate is taken with the latter"},
		{"empty PEM", "https://a:1", []string{"tls-ca=" + empty}, `tls-ca "` + empty + `": no certificate in it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := make1(t, plugintest.NewHost(t, "web"), "", tt.arg, tt.options...)
			if _, ok := errors.AsType[*plugins.UsageError](err); !ok || err.Error() != tt.want {
				t.Errorf("New(%q, %q) = %v, want the usage error %s", tt.arg, tt.options, err, tt.want)
			}
		})
	}
	if _, err := make1(t, plugintest.NewHost(t, "web"), "", "https://a:1", "tls-ca=/no/such/file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing tls-ca = %v, want that it does not exist", err)
	}
}

func TestFlagsAreDescribed(t *testing.T) {
	var o proxy.Options
	fs := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	o.Flags(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Usage == "" {
			t.Errorf("option %s: no usage text", f.Name)
		}
	})
}

func TestTLSUpstream(t *testing.T) {
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Seen", r.Host+" "+r.Proto) }))
	t.Cleanup(up.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	own := strings.TrimPrefix(up.URL, "https://")
	for _, tt := range []struct {
		name    string
		options []string
		status  int
		seen    string
	}{
		{"authority", []string{"tls-ca=" + file}, 200, own + " HTTP/1.1"},
		{"insecure", []string{"tls-insecure=true"}, 200, own + " HTTP/1.1"},
		{"host kept", []string{"tls-insecure=true", "host=keep"}, 200, "site HTTP/1.1"},
		{"unknown authority", nil, 502, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, "", up.URL, tt.options...)
			res, _ := send(t, f.addr(), "GET / HTTP/1.1\r\nHost: site\r\n\r\n")
			if res.StatusCode != tt.status || res.Header.Get("Seen") != tt.seen {
				t.Errorf("answer = %d, upstream saw %q, want %d %q", res.StatusCode, res.Header.Get("Seen"), tt.status, tt.seen)
			}
			var unknown x509.UnknownAuthorityError
			if log := f.host.Log(); tt.status != 200 && !strings.Contains(log, unknown.Error()) {
				t.Errorf("no %q in\n%s", unknown.Error(), log)
			}
		})
	}
}
