package endpoint_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/internal/endpoint"
)

var wellFormed = []struct{ in, canonical string }{
	{"8080", "tcp:8080"},
	{":8080", "tcp:8080"},
	{"*:8080", "tcp:8080"},
	{"0", "tcp:0"},
	{"127.0.0.1:8080", "tcp:8080:interface=127.0.0.1"},
	{"localhost:8080", "tcp:8080:interface=localhost"},
	{"www.example.org:80", "tcp:80:interface=www.example.org"},
	{"[::1]:8080", "tcp:8080:interface=[::1]"},
	{"8080:backlog=5", "tcp:8080:backlog=5"},
	{"tcp:8080", "tcp:8080"},
	{"TCP:8080", "tcp:8080"},
	{"tcp:port=8080", "tcp:8080"},
	{"tcp:08080", "tcp:8080"},
	{"tcp:8080:interface=127.0.0.1:backlog=50", "tcp:8080:interface=127.0.0.1:backlog=50"},
	{"tcp:8080:interface=", "tcp:8080"},
	{`tcp:8080:interface=\:\:1`, "tcp:8080:interface=[::1]"},
	{"tcp:8080:interface=[fe80::1%eth0]", "tcp:8080:interface=[fe80::1%eth0]"},
	{"tcp:8080:127.0.0.1", "tcp:8080:interface=127.0.0.1"},
	{"tcp:127.0.0.1:7007", "tcp:7007:interface=127.0.0.1"},
	{"tcp:[::1]:7007", "tcp:7007:interface=[::1]"},
	{"tcp:[::ffff:127.0.0.1]:7007", "tcp:7007:interface=127.0.0.1"},
	{"tcp::7007", "tcp:7007"},
	{"tcp6:8080", "tcp6:8080"},
	{"tcp6:[::1]:8080", "tcp6:8080:interface=[::1]"},
	{"udp:7007:interface=127.0.0.1", "udp:7007:interface=127.0.0.1"},
	{"unix:/run/x", "unix:/run/x"},
	{"unix:/run/x:mode=660", "unix:/run/x"},
	{"unix:/run/x:mode=0600:backlog=9", "unix:/run/x:mode=600:backlog=9"},
	{`unix:/a\:b\=c\\d`, `unix:/a\:b\=c\\d`},
	{"unix:address=/run/x=y", `unix:/run/x\=y`},
	{"ssl:8443", "ssl:8443"},
	{"ssl:8443:privateKey=server.pem", "ssl:8443"},
	{"ssl:8443:k.pem:c.pem", "ssl:8443:privateKey=k.pem:certKey=c.pem"},
	{"ssl:127.0.0.1:8443:k.pem:c.pem", "ssl:8443:interface=127.0.0.1:privateKey=k.pem:certKey=c.pem"},
	{"ssl:8443:certKey=c:privateKey=k:extraCertChain=e:interface=0.0.0.0", "ssl:8443:interface=0.0.0.0:privateKey=k:certKey=c:extraCertChain=e"},
	{"systemd:domain=INET:index=0", "systemd:domain=INET:index=0"},
	{"systemd:domain=af_inet6:name=web", "systemd:domain=INET6:name=web"},
	{"systemd:name=a\\:b", "systemd:name=a\\:b"},
	{"fd:3", "fd:3"},
	{"fd:fd=3", "fd:3"},
	{"haproxy:tcp:8080", "haproxy:tcp:8080"},
	{"haproxy:8080", "haproxy:tcp:8080"},
	{"haproxy:ssl:8443:certKey=c", "haproxy:ssl:8443:certKey=c"},
	{"haproxy:unix:/run/x", "haproxy:unix:/run/x"},
}

func TestParse(t *testing.T) {
	for _, tt := range wellFormed {
		t.Run(tt.in, func(t *testing.T) {
			spec, err := endpoint.Parse(tt.in)
			if err != nil {
				t.Fatalf("Parse(%q) = %v (%s)", tt.in, err, hint(err))
			}
			if got := spec.String(); got != tt.canonical {
				t.Errorf("Parse(%q) = %v, want %v", tt.in, got, tt.canonical)
			}
		})
	}
}

func TestParseEqual(t *testing.T) {
	a, _ := endpoint.Parse("127.0.0.1:8080")
	b, _ := endpoint.Parse("tcp:8080:interface=127.0.0.1")
	if a != b || a == (endpoint.Spec{}) {
		t.Errorf("%v and %v differ, or are empty", a, b)
	}
}

var malformed = []struct{ name, in, want, hint string }{
	{"unknown type", "tpc:80", `endpoint "tpc:80": unknown type "tpc"`, `did you mean "tcp:80"?`},
	{"unknown type, other parts wrong too", "tpc:http", `endpoint "tpc:http": unknown type "tpc"`, `did you mean "tcp"?`},
	{"type of other programs", "tls:443:certKey=c", `unknown type "tls"`, `did you mean "ssl:443:certKey=c"?`},
	{"host without type", "myhost:80", `unknown type "myhost"`, "tcp:8080:interface=myhost"},
	{"mistyped haproxy", "haprox:tcp:80", `unknown type "haprox"`, `"haproxy:tcp:80"`},
	{"unknown type behind haproxy", "haproxy:tpc:80", `endpoint "haproxy:tpc:80": unknown type "tpc"`, `did you mean "tcp:80"?`},
	{"unknown type with an escape", `t\pc:80`, `unknown type "tpc"`, `did you mean "tcp"?`},
	{"path", "/run/x.sock", `no type before the path "/run/x.sock"`, `did you mean "unix:/run/x.sock"?`},
	{"empty", "", "empty", "a port such as 8080"},
	{"only a colon", ":", "port is empty", "tcp:8080"},
	{"key first", "port=80", `no type before "port=80"`, "tcp:8080"},
	{"stdio", "stdio:", "cannot listen on standard input", "tcp:8080:interface=127.0.0.1"},
	{"no port", "tcp", "tcp: no port", "tcp:8080"},
	{"port empty", "tcp:", "port is empty", "tcp:8080"},
	{"port no number", "tcp:80x", `port "80x": not a number from 0 to 65535`, "tcp:8080"},
	{"port too large", "65536", `port "65536": not a number from 0 to 65535`, ""},
	{"port negative", "tcp:-1", `port "-1"`, ""},
	{"port enormous", "tcp:99999999999999999999", `not a number from 0 to 65535`, ""},
	{"service name", "tcp:http", `port "http"`, ""},
	{"unknown key", "tcp:80:iface=127.0.0.1", `tcp: unknown key "iface"`, "tcp takes port, interface, backlog"},
	{"mistyped key", "tcp:80:interfac=127.0.0.1", `unknown key "interfac"`, `did you mean "interface"?`},
	{"case of key", "ssl:443:certkey=c", `unknown key "certkey"`, `did you mean "certKey"?`},
	{"key of another type", "tcp:80:mode=660", `unknown key "mode"`, ""},
	{"obsolete key", "ssl:443:sslmethod=TLSv1_METHOD", `unknown key "sslmethod"`, "leave it out"},
	{"obsolete lock file", "unix:/x:lockfile=0", `unknown key "lockfile"`, "leave it out"},
	{"key twice", "tcp:80:backlog=1:backlog=2", "backlog is given twice", ""},
	{"position and key", "tcp:80:port=81", "port is given twice", ""},
	{"no key", "tcp:80:=x", `no key before "="`, ""},
	{"IPv6 without brackets", "tcp:80:interface=::1", "one part too many", "brackets"},
	{"IPv6 and port without brackets", "::1:8080", "one part too many", "brackets"},
	{"bare IPv6", "::1", "one part too many", "brackets"},
	{"IPv4 for tcp6", "tcp6:80:interface=127.0.0.1", "not an IPv6 address", "tcp"},
	{"interface no address", "tcp:80:interface=a b", `interface "a b": neither an address nor a host name`, "127.0.0.1"},
	{"interface a number", "tcp:80:8080", `interface "8080"`, ""},
	{"backlog zero", "tcp:80:backlog=0", `backlog "0"`, ""},
	{"too many parts", "fd:3:4", `fd: one part too many: "4"`, "fd:3"},
	{"unix without path", "unix:", "address is empty", ""},
	{"unix mode decimal", "unix:/x:mode=888", `mode "888": not an octal number up to 777`, "660"},
	{"unix mode sticky", "unix:/x:mode=1777", `mode "1777"`, ""},
	{"zero byte", "unix:/x\x00y", "zero byte", ""},
	{"lone backslash", `unix:/x\`, "lone", ""},
	{"systemd without socket", "systemd:domain=INET", "either index or name", "systemd:name="},
	{"systemd with both", "systemd:index=0:name=x", "either index or name", ""},
	{"systemd domain", "systemd:domain=APPLETALK:index=0", `domain "APPLETALK"`, ""},
	{"empty certKey", "ssl:443:certKey=", "certKey is empty", ""},
	{"haproxy over udp", "haproxy:udp:80", "not possible with udp", "haproxy:tcp:80"},
	{"haproxy twice", "haproxy:haproxy:tcp:80", "given twice", ""},
	{"haproxy alone", "haproxy:", "empty", ""},
	{"haproxy without colon", "haproxy", "empty", ""},
	{"mistyped haproxy alone", "apoxy", `unknown type "apoxy"`, `did you mean "haproxy"?`},
}

func TestParseMalformed(t *testing.T) {
	for _, tt := range malformed {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := endpoint.Parse(tt.in)
			var e *endpoint.Error
			if !errors.As(err, &e) || !e.Malformed {
				t.Fatalf("Parse(%q) = %v, %v, want a malformed *Error", tt.in, spec, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "endpoint ") {
				t.Errorf("Parse(%q): %q, want %q", tt.in, err, tt.want)
			}
			if !strings.Contains(e.Hint(), tt.hint) {
				t.Errorf("Parse(%q): hint %q, want %q", tt.in, e.Hint(), tt.hint)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range wellFormed {
		f.Add(tt.in)
	}
	for _, tt := range malformed {
		f.Add(tt.in)
	}
	f.Add("unix:@abstract")
	f.Fuzz(func(t *testing.T, in string) {
		spec, err := endpoint.Parse(in)
		if err != nil {
			_ = err.Error() + hint(err)
			return
		}
		again, err := endpoint.Parse(spec.String())
		if err != nil || again != spec || again.String() != spec.String() {
			t.Fatalf("Parse(%q) = %#v, written %q, read back %#v, %v", in, spec, spec, again, err)
		}
	})
}

// hint is what the runner prints below an error.
func hint(err error) string {
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		return ""
	}
	return h.Hint()
}
