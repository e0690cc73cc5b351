package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestRequestRate(t *testing.T) {
	tests := []struct {
		text string
		want requestRate
	}{
		{"10/s", requestRate{10, 10, time.Second}},
		{"100/m", requestRate{100, 100, time.Minute}},
		{"1/h", requestRate{1, 1, time.Hour}},
		{"10/s:20", requestRate{10, 20, time.Second}},
		{"10/s:1", requestRate{10, 1, time.Second}},
		{"1000000/s", requestRate{1_000_000, 1_000_000, time.Second}},
		{"off", requestRate{}},
	}
	for _, tt := range tests {
		z := requestRate{1, 2, 3}
		if err := z.Set(tt.text); err != nil || z != tt.want {
			t.Errorf("Set(%q) = %v, now %+v, want %+v", tt.text, err, z, tt.want)
		}
		if z.String() != tt.text {
			t.Errorf("String() = %q, want %q", z.String(), tt.text)
		}
	}
	for text, want := range map[string]string{
		"":              "not a rate such as",
		"10":            "not a rate such as",
		"10/":           "not a rate such as",
		"10/d":          "not a rate such as",
		"10/s/s":        "not a rate such as",
		"10s":           "not a rate such as",
		"10/sec":        "not a rate such as",
		"/s":            `"" is not a number of requests from 1 to 1000000`,
		"0/s":           `"0" is not a number of requests`,
		"-1/s":          `"-1" is not a number of requests`,
		"1.5/s":         `"1.5" is not a number of requests`,
		"1000001/s":     `"1000001" is not a number of requests`,
		"99999999999/s": `"99999999999" is not a number of requests`,
		"10/s:":         `"" is not a number of requests`,
		"10/s:0":        `"0" is not a number of requests`,
		"10/s:20:30":    `"20:30" is not a number of requests`,
		" 10/s":         `" 10" is not a number of requests`,
	} {
		z := requestRate{1, 2, time.Second}
		if err := z.Set(text); err == nil || !strings.Contains(err.Error(), want) || z.count != 1 {
			t.Errorf("Set(%q) = %v, now %+v, want %q and no change", text, err, z, want)
		}
	}
}

// clock is a time that tests move.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func limited(t testing.TB, text string, c *clock) *limiter {
	t.Helper()
	var z requestRate
	if err := z.Set(text); err != nil {
		t.Fatal(err)
	}
	l := newLimiter(z)
	l.now = c.now
	return l
}

func TestLimiter(t *testing.T) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	l, client := limited(t, "2/s:3", c), addr("192.0.2.1")
	steps := []struct {
		after, want time.Duration
	}{
		{0, 0}, {0, 0}, {0, 0}, // three at once
		{0, 500 * time.Millisecond},                      // one too many
		{100 * time.Millisecond, 400 * time.Millisecond}, // those that are refused cost nothing
		{400 * time.Millisecond, 0},
		{0, 500 * time.Millisecond},
		{time.Hour, 0}, {0, 0}, {0, 0}, {0, 500 * time.Millisecond},
		{-time.Hour, 500 * time.Millisecond}, // a clock that is set back
	}
	for i, step := range steps {
		c.Time = c.Add(step.after)
		if got := l.wait(client).Round(time.Millisecond); got != step.want {
			t.Errorf("step %d: wait() = %v, want %v", i, got, step.want)
		}
	}
}

func TestLimiterTellsClientsApart(t *testing.T) {
	tests := []struct {
		name, first, second string
		same                bool
	}{
		{"ipv4", "192.0.2.1", "192.0.2.2", false},
		{"ipv4 as ipv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"ipv6 of one network", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"ipv6 of two networks", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"zones", "fe80::1%eth0", "fe80::2%eth1", true},
		{"unix socket", "", "", false},
	}
	for _, tt := range tests {
		l := limited(t, "1/h", &clock{time.Unix(1_800_000_000, 0)})
		if wait := l.wait(addr(tt.first)); wait != 0 {
			t.Errorf("%s: the first waits %v", tt.name, wait)
		}
		if wait := l.wait(addr(tt.second)); (wait > 0) != tt.same {
			t.Errorf("%s: the second waits %v, want one client: %v", tt.name, wait, tt.same)
		}
	}
}

// TestLimiterForgets sends requests from more clients than are remembered.
func TestLimiterForgets(t *testing.T) {
	l := limited(t, "1/h", &clock{time.Unix(1_800_000_000, 0)})
	l.max = 100
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 1000 {
		l.wait(client(i))
		if l.wait(client(0)) == 0 && i > 0 {
			t.Fatalf("the first client is forgotten after %d others, though it comes again and again", i)
		}
	}
	if len(l.clients) != 100 || l.order.Len() != 100 {
		t.Errorf("%d and %d clients are remembered, want 100", len(l.clients), l.order.Len())
	}
	if l.wait(client(999)) == 0 || l.wait(client(1)) != 0 {
		t.Error("the last client is forgotten, or the second is not")
	}
}

func TestRateLimit(t *testing.T) {
	var z requestRate
	if err := z.Set("1/m:2"); err != nil {
		t.Fatal(err)
	}
	served := 0
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	h := newRateLimit(next, z).(*rateLimit)
	c := &clock{time.Unix(1_800_000_000, 0)}
	h.limiter.now = c.now
	for i, want := range []struct {
		status int
		retry  string
	}{{200, ""}, {200, ""}, {429, "60"}, {429, "60"}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader("x")))
		if got := w.Header().Get("Retry-After"); w.Code != want.status || got != want.retry {
			t.Errorf("request %d = %d, Retry-After %q, want %d, %q", i, w.Code, got, want.status, want.retry)
		}
	}
	c.Time = c.Add(59*time.Second + time.Millisecond)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("Retry-After"); w.Code != 429 || got != "1" || served != 2 {
		t.Errorf("a minute later = %d, Retry-After %q, served %d, want 429, 1 and 2", w.Code, got, served)
	}
	if got := newRateLimit(next, requestRate{}); fmt.Sprintf("%p", got) != fmt.Sprintf("%p", next) {
		t.Errorf("without a limit there is %v before the handler", got)
	}
}

// FuzzRequestRate says that what is taken means a limit, and is shown in a form that is taken for the same.
func FuzzRequestRate(f *testing.F) {
	for _, s := range []string{"10/s", "100/m:7", "off", "0/s", "1/h:", "+1/s", "0010/s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var z, again requestRate
		if z.Set(text) != nil || text == "off" {
			return
		}
		if err := again.Set(z.String()); err != nil || again != z {
			t.Errorf("Set(%q) = %+v, shown as %q, which is %+v, %v", text, z, z.String(), again, err)
		}
		l := newLimiter(z)
		l.now = (&clock{time.Unix(1_800_000_000, 0)}).now
		if l.wait(addr("10.0.0.1")) != 0 {
			t.Errorf("%q lets nobody in", text)
		}
	})
}

func BenchmarkLimiter(b *testing.B) {
	c := &clock{time.Unix(1_800_000_000, 0)}
	l, client := limited(b, "1000000/s", c), addr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		c.Time = c.Add(time.Millisecond)
		l.wait(client)
	}
}
