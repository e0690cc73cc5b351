package cmd

import (
	"slices"
	"strings"
	"testing"
)

func TestFirstURLs(t *testing.T) {
	tests := []struct {
		name             string
		urls             string
		forOthers, forUs string
	}{
		{"none", "", "", ""},
		{"unix", "unix:/run/web.sock", "", ""},
		{"loopback alone", "http://127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"all interfaces", "http://127.0.0.1 http://[::1] http://192.168.1.5 http://[2001:db8::1]", "http://192.168.1.5", "http://127.0.0.1"},
		{"others alone", "unix:/x https://192.168.1.5:8443", "https://192.168.1.5:8443", "https://192.168.1.5:8443"},
		{"IPv6 loopback", "http://192.168.1.5 http://[::1]:80", "http://192.168.1.5", "http://[::1]:80"},
		{"zone", "http://[fe80::1%25eth0]:80", "http://[fe80::1%25eth0]:80", "http://[fe80::1%25eth0]:80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			urls := strings.Fields(tt.urls)
			if got := forOthers(urls); got != tt.forOthers {
				t.Errorf("forOthers(%q) = %q, want %q", urls, got, tt.forOthers)
			}
			if got := forUs(urls); got != tt.forUs {
				t.Errorf("forUs(%q) = %q, want %q", urls, got, tt.forUs)
			}
		})
	}
}

func TestOpeners(t *testing.T) {
	const page = "http://127.0.0.1:8080"
	tests := []struct {
		name, system string
		environment  map[string]string
		want         []string
		err          string
	}{
		{"display", "linux", map[string]string{"DISPLAY": ":0"}, []string{"xdg-open " + page}, ""},
		{"wayland", "freebsd", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, []string{"xdg-open " + page}, ""},
		{"no display", "linux", nil, nil, "there is no display"},
		{"empty BROWSER", "linux", map[string]string{"BROWSER": " : "}, nil, "there is no display"},
		{"BROWSER", "linux", map[string]string{"BROWSER": "w3m"}, []string{"w3m " + page}, ""},
		{"BROWSER with options", "linux", map[string]string{"BROWSER": "ff --url=%s -x:chrome", "DISPLAY": ":0"},
			[]string{"ff --url=" + page + " -x", "chrome " + page, "xdg-open " + page}, ""},
		{"macOS", "darwin", nil, []string{"open " + page}, ""},
		{"Windows", "windows", nil, []string{"rundll32 url.dll,FileProtocolHandler " + page}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			commands, err := openers(tt.system, func(name string) string { return tt.environment[name] }, page)
			var got []string
			for _, words := range commands {
				got = append(got, strings.Join(words, " "))
			}
			if !slices.Equal(got, tt.want) || tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
				t.Errorf("openers(%s, %v) = %q, %v, want %q, %q", tt.system, tt.environment, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestWelcomeTravels(t *testing.T) {
	sent := welcome{Text: []byte("web: root /\xff\n"), Codes: []string{"a"}, Pages: []string{"b"}, Notes: []string{"c"}}
	line, err := sent.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeWelcome(line)
	if err != nil || string(got.Text) != string(sent.Text) || !slices.Equal(slices.Concat(got.Codes, got.Pages, got.Notes), []string{"a", "b", "c"}) {
		t.Errorf("decodeWelcome(%s) = %v, %v, want %v", line, got, err, sent)
	}
	if _, err := decodeWelcome("ready"); err == nil {
		t.Error("decodeWelcome(ready) = nil, want an error")
	}
}
