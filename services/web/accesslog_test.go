package web

import (
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func plainRecord() record {
	return record{
		client: netip.MustParseAddr("127.0.0.1"), method: "GET", uri: "/a.txt", proto: "HTTP/1.1", host: "localhost:8080",
		agent: "curl/7.88.1", status: 200, sent: 3,
		end: time.Date(2026, 11, 20, 10, 31, 36, 5_999_999, time.FixedZone("", 3600)), took: 123456 * time.Nanosecond,
	}
}

var records = []struct {
	name           string
	change         func(*record)
	combined, json string
}{
	{"plain", func(*record) {},
		`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"","method":"GET","uri":"/a.txt","proto":"HTTP/1.1","host":"localhost:8080","status":200,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":"curl/7.88.1"}`},
	{"referer, no bytes, long", func(r *record) {
		r.referer, r.agent, r.status, r.sent, r.took = "http://x/", "", 304, 0, 90*time.Second
	},
		`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 304 - "http://x/" "-"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"","method":"GET","uri":"/a.txt","proto":"HTTP/1.1","host":"localhost:8080","status":304,"bytes":0,"duration_ms":90000.000,"referer":"http://x/","user_agent":""}`},
	{"ipv6, a clock set back", func(r *record) { r.client, r.took = netip.MustParseAddr(`fe80::1%"eth0"`), -time.Second },
		`fe80::1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"fe80::1","user":"","method":"GET","uri":"/a.txt","proto":"HTTP/1.1","host":"localhost:8080","status":200,"bytes":3,"duration_ms":0.000,"referer":"","user_agent":"curl/7.88.1"}`},
	{"unix socket, user", func(r *record) { r.client, r.user = netip.Addr{}, "joe" },
		`- - joe [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"","user":"joe","method":"GET","uri":"/a.txt","proto":"HTTP/1.1","host":"localhost:8080","status":200,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":"curl/7.88.1"}`},
	{"a request that has not come whole", func(r *record) { r.uri, r.proto, r.host, r.agent, r.status = "/a", "", "", "", 408 },
		`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a" 408 3 "-" "-"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"","method":"GET","uri":"/a","proto":"","host":"","status":408,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":""}`},
	{"nothing of a request", func(r *record) { r.method, r.uri, r.proto, r.host, r.agent, r.status = "", "", "", "", "", 408 },
		`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "-" 408 3 "-" "-"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"","method":"","uri":"","proto":"","host":"","status":408,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":""}`},
	{"user who writes records", func(r *record) { r.user = "j [x]  \"\n" },
		`127.0.0.1 - j\x20[x]\x20\x20\x22\x0A [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"j [x]  \"\u000A","method":"GET","uri":"/a.txt","proto":"HTTP/1.1","host":"localhost:8080","status":200,"bytes":3,"duration_ms":0.123,"referer":"","user_agent":"curl/7.88.1"}`},
	{"escapes", func(r *record) {
		r.method, r.uri, r.host, r.referer, r.agent, r.status = "G\x00T", "/\"\x00\xff", "ö\u2028", "\u009b0m\xe2\x82", "a\"b\\c\n\x1b[31m\x7fü", 404
	},
		`127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "G\x00T /\x22\x00\xFF HTTP/1.1" 404 3 "\xC2\x9B0m\xE2\x82" "a\x22b\x5Cc\x0A\x1B[31m\x7F\xC3\xBC"`,
		`{"time":"2026-11-20T09:31:36.005Z","client":"127.0.0.1","user":"","method":"G\u0000T","uri":"/\"\u0000\uFFFD","proto":"HTTP/1.1","host":"ö\u2028","status":404,"bytes":3,"duration_ms":0.123,"referer":"\u009B0m\uFFFD\uFFFD","user_agent":"a\"b\\c\u000A\u001B[31m\u007Fü"}`},
}

func TestRecord(t *testing.T) {
	for _, tt := range records {
		for format, want := range map[recordFormat]string{formatCombined: tt.combined, formatJSON: tt.json} {
			t.Run(tt.name+" "+string(format), func(t *testing.T) {
				var out memory
				a := newAccessLog(&out, format)
				r := plainRecord()
				tt.change(&r)
				a.write(&r)
				if got := out.String(); got != want+"\n" {
					t.Errorf("record = %s, want %s", got, want)
				}
				if format == formatJSON && !json.Valid(out.Bytes()) {
					t.Errorf("%s is not JSON", out.String())
				}
			})
		}
	}
}

func TestRecordTimeGoesOn(t *testing.T) {
	for format, texts := range map[recordFormat][]string{
		formatCombined: {"[20/Nov/2026:23:59:59 +0000]", "[20/Nov/2026:23:59:59 +0000]", "[21/Nov/2026:00:00:00 +0000]"},
		formatJSON:     {`"2026-11-20T23:59:59.000Z"`, `"2026-11-20T23:59:59.500Z"`, `"2026-11-21T00:00:00.000Z"`},
	} {
		var out memory
		a, r := newAccessLog(&out, format), plainRecord()
		r.end = time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC)
		for _, want := range texts {
			out.Reset()
			a.write(&r)
			if !strings.Contains(out.String(), want) {
				t.Errorf("record %s, want %s in it", out.String(), want)
			}
			r.end = r.end.Add(time.Second / 2)
		}
	}
}

// nowhere is an access log's writer that keeps nothing.
type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func TestRecordDoesNotAllocate(t *testing.T) {
	for _, format := range []recordFormat{formatCombined, formatJSON} {
		for _, tt := range records {
			a, r := newAccessLog(nowhere{io.Discard}, format), plainRecord()
			tt.change(&r)
			b := make([]byte, 0, 1024)
			if n := testing.AllocsPerRun(100, func() { b = a.appendRecord(b[:0], &r) }); n != 0 {
				t.Errorf("%s, %v: %v allocations for a record, want none", tt.name, format, n)
			}
		}
	}
}

// FuzzRecord says that a record is one line whatever the client sends, of ASCII in combined format, and in JSON one
// object from which all comes back that is UTF-8.
func FuzzRecord(f *testing.F) {
	f.Add("joe", "/a\x1b\"\\", "agent\u2028")
	f.Add("\xff \u0085", "\u0000", "\U0001F600")
	f.Fuzz(func(t *testing.T, user, uri, agent string) {
		var out memory
		a := newAccessLog(&out, formatCombined)
		r := record{user: user, uri: uri, agent: agent, status: 404}
		a.write(&r)
		line := out.String()
		outside := func(c rune) bool { return c < ' ' || c > '~' }
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), outside) || !strings.HasSuffix(line, "\n") {
			t.Errorf("record %q is not one line of ASCII", line)
		}
		if fields := strings.SplitN(line, " ", 5); !strings.HasPrefix(fields[3], "[") || strings.Count(line, `"`) != 6 {
			t.Errorf("record %q has fields of the client's making", line)
		}
		out.Reset()
		a.format = formatJSON
		a.write(&r)
		var back struct{ User, URI string }
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Errorf("%s: %v", out.String(), err)
		}
		if utf8.ValidString(user) && back.User != user || utf8.ValidString(uri) && back.URI != uri {
			t.Errorf("%q, %q came back as %q, %q", user, uri, back.User, back.URI)
		}
		if text := strings.TrimSuffix(out.String(), "\n"); strings.ContainsAny(text, "\n\r\x1b\x7f\u0085\u009b\u2028\u2029") {
			t.Errorf("record %q is more than a line", text)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	for _, format := range []recordFormat{formatCombined, formatJSON} {
		b.Run(string(format), func(b *testing.B) {
			a, r := newAccessLog(nowhere{io.Discard}, format), plainRecord()
			r.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
			b.ReportAllocs()
			for b.Loop() {
				a.write(&r)
			}
		})
	}
}
