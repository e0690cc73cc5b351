package static

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestFormatOf(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0"
	tests := []struct {
		name, query, accept, agent string
		want                       format
	}{
		{"a browser", "", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", browser, formatHTML},
		{"a script in a browser", "", "*/*", browser, formatHTML},
		{"curl", "", "*/*", "curl/8.14.1", formatText},
		{"curl for HTML", "", "text/html", "curl/8.14.1", formatHTML},
		{"curl for JSON", "", "application/json", "curl/8.14.1", formatJSON},
		{"curl, HTML better", "", "text/html, */*;q=0.1", "curl/8.14.1", formatHTML},
		{"curl, but no text", "", "text/plain;q=0, */*", "curl/8.14.1", formatHTML},
		{"wget", "", "*/*", "Wget/1.25.0", formatHTML},
		{"not curl", "", "*/*", "libcurl/8", formatHTML},
		{"JSON", "", "application/json", "", formatJSON},
		{"JSON with a charset", "", "application/json; charset=utf-8", "", formatJSON},
		{"JSON in capitals", "", "Application/JSON", "", formatJSON},
		{"as axios asks", "", "application/json, text/plain, */*", "axios/1.12", formatHTML},
		{"JSON before anything", "", "application/json, */*;q=0.5", "", formatJSON},
		{"any application", "", "application/*", "", formatJSON},
		{"text", "", "text/plain", "", formatText},
		{"any text", "", "text/*", "", formatHTML},
		{"any text but HTML", "", "text/*, text/html;q=0.1", "", formatText},
		{"the order means nothing", "", "text/html;q=0.1, text/*", "", formatText},
		{"weights", "", "text/html;q=0.2,application/json;q=0.8,text/plain;q=0.5", "", formatJSON},
		{"thousandths", "", "text/html;q=0.123,application/json;q=0.124", "", formatJSON},
		{"refused", "", "text/html;q=0,*/*", "", formatJSON},
		{"nothing we have", "", "image/png", "", formatHTML},
		{"all refused", "", "*/*;q=0", "", formatHTML},
		{"blanks", "", " application/json\t; q=1 , text/html ;\tq=0.5", "", formatJSON},
		{"capital Q", "", "text/html;Q=0.5,text/plain", "", formatText},
		{"a quoted comma", "", `text/html;a="x,text/plain;q=1";q=0.5, application/json;q=0.6`, "", formatJSON},
		{"a quoted quote", "", `text/html;a="\",";q=0.5, application/json;q=0.6`, "", formatJSON},
		{"too heavy", "", "text/html;q=2,application/json;q=0.1", "", formatJSON},
		{"no weight", "", "text/html;q=,application/json;q=0.1", "", formatJSON},
		{"negative", "", "text/html;q=-1,application/json;q=0.1", "", formatJSON},
		{"too exact", "", "text/html;q=0.9999,application/json;q=0.1", "", formatJSON},
		{"more than one", "", "text/html;q=1.001,application/json;q=0.1", "", formatJSON},
		{"*/html is nothing", "", "*/html,text/plain;q=0.1", "", formatText},
		{"the query first", "format=json", "text/html", browser, formatJSON},
		{"the query, HTML", "format=html", "*/*", "curl/8.14.1", formatHTML},
		{"the query, text", "format=text", "text/html", browser, formatText},
		{"the query, unknown", "format=xml", "application/json", "", formatJSON},
	}
	for _, tt := range tests {
		query, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Header: http.Header{"Accept": {tt.accept}, "User-Agent": {tt.agent}}}
		if got := formatOf(r, query); got != tt.want {
			t.Errorf("%s: formatOf(%q, %q, %q) = %s, want %s", tt.name, tt.query, tt.accept, tt.agent, formatNames[got], formatNames[tt.want])
		}
	}
	for agent, want := range map[string]format{"": formatHTML, "curl/8": formatText} {
		if got := formatOf(&http.Request{Header: http.Header{"User-Agent": {agent}}}, nil); got != want {
			t.Errorf("without Accept, for %q: %s, want %s", agent, formatNames[got], formatNames[want])
		}
	}
	split := http.Header{"Accept": {"text/html;q=0.1", "application/json"}}
	if got := formatOf(&http.Request{Header: split}, nil); got != formatJSON {
		t.Errorf("in two headers: %s, want json", formatNames[got])
	}
}

// FuzzAccept says that whatever a client sends is a weight from 0 to 1 for each format, and that a header in two is one.
func FuzzAccept(f *testing.F) {
	f.Add("text/html;q=0.5, */*", "application/json")
	f.Add(`text/html;a="\",q=`, "text/*;q=1.000")
	f.Fuzz(func(t *testing.T, first, second string) {
		weights := accepted([]string{first, second})
		for _, w := range weights {
			if w < 0 || w > 1000 {
				t.Errorf("accepted(%q, %q) = %v", first, second, weights)
			}
		}
		if got := accepted([]string{second, first}); got != weights {
			t.Errorf("accepted(%q, %q) = %v, the other way round %v", first, second, weights, got)
		}
		if _, _, open := cutUnquoted(first+`x"`, 'x'); open || strings.Contains(first, `"`) {
			return // a quoted string may go on in the second
		}
		if got := accepted([]string{first + "," + second}); got != weights {
			t.Errorf("accepted(%q + %q) = %v, of two headers %v", first, second, got, weights)
		}
	})
}

var qvalue = regexp.MustCompile(`^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$`)

func FuzzParseWeight(f *testing.F) {
	for _, s := range []string{"", "0", "1", "1.", "0.5", "0.123", "1.000", "1.001", "0.1234", "2", ".5", "0,5", "1e0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseWeight(s)
		if ok != qvalue.MatchString(s) {
			t.Fatalf("parseWeight(%q) = %v, the grammar of RFC 9110 section 12.4.2 says otherwise", s, ok)
		}
		if want, err := strconv.ParseFloat(s, 64); ok && (err != nil || math.Round(want*1000) != float64(got)) {
			t.Errorf("parseWeight(%q) = %d, want %v thousandths", s, got, want*1000)
		}
	})
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("a\"b\\c\n\x00\x7f\u2028ü\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		b := appendJSON(nil, s)
		if err := json.Unmarshal(b, &got); err != nil || got != string([]rune(s)) {
			t.Errorf("appendJSON(%q) = %s, which is %q, %v", s, b, got, err)
		}
		for _, c := range b {
			if c < ' ' {
				t.Errorf("appendJSON(%q) = %q", s, b)
			}
		}
	})
}

func TestOrderOf(t *testing.T) {
	tests := []struct {
		query string
		want  order
	}{
		{"", order{byName, false}}, {"sort=name", order{byName, false}}, {"sort=name&order=desc", order{byName, true}},
		{"sort=size", order{bySize, true}}, {"sort=size&order=asc", order{bySize, false}}, {"sort=time", order{byTime, true}},
		{"order=desc", order{byName, true}}, {"sort=colour&order=sideways", order{byName, false}}, {"sort=size&order=", order{bySize, true}},
	}
	for _, tt := range tests {
		query, err := url.ParseQuery(tt.query)
		if got := orderOf(query); err != nil || got != tt.want {
			t.Errorf("orderOf(%q) = %v, %v, want %v", tt.query, got, err, tt.want)
		}
		again, err := url.ParseQuery(tt.want.query()[1:])
		if got := orderOf(again); err != nil || got != tt.want {
			t.Errorf("orderOf(%q) = %v, %v, want %v", tt.want.query(), got, err, tt.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"a.png": "image", "A.PNG": "image", "a.tar.gz": "archive", "main.go": "code", "a.md": "text", "a.markdown": "text", ".png": "image",
		"a": "", "a.": "", "a.unheard": "", "a.markdowns": "", "png": "", "a.p\xffg": "", "a.MP3": "audio", "a.mkv": "video",
	} {
		if got := (&entry{name: name}).kind(); got != want {
			t.Errorf("kind of %q = %q, want %q", name, got, want)
		}
	}
	for kind := range map[string]bool{"text": true, "code": true, "image": true, "audio": true, "video": true, "archive": true, "directory": true, "parent": true} {
		if !strings.Contains(listingCSS, "tbody ."+kind+" { --icon:") {
			t.Errorf("no icon for %s", kind)
		}
	}
}

// TestContrast says that all text is as easy to read as WCAG 2.2 wants at level AA, and what is no text to see, in both schemes.
func TestContrast(t *testing.T) {
	_, dark, _ := strings.Cut(listingCSS, "prefers-color-scheme: dark")
	for scheme, css := range map[string]string{"light": listingCSS, "dark": dark} {
		luminance := func(name string) float64 {
			match := regexp.MustCompile(`--` + name + `: #([0-9a-f]+);?`).FindStringSubmatch(css)
			if match == nil {
				t.Fatalf("no colour %s in %s", name, scheme)
			}
			hex := match[1]
			if len(hex) == 3 {
				hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
			}
			sum := 0.0
			for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
				n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
				if err != nil {
					t.Fatal(err)
				}
				c := float64(n) / 255
				if c <= 0.04045 {
					c /= 12.92
				} else {
					c = math.Pow((c+0.055)/1.055, 2.4)
				}
				sum += weight * c
			}
			return sum
		}
		for _, tt := range []struct {
			front, back string
			least       float64
		}{
			{"ink", "paper", 7}, {"ink", "tint", 7}, {"soft", "paper", 4.5}, {"soft", "tint", 4.5}, {"accent", "paper", 4.5},
			{"paper", "accent", 4.5}, {"folder", "paper", 3}, {"field", "paper", 3},
		} {
			x, y := luminance(tt.front), luminance(tt.back)
			if got := (max(x, y) + 0.05) / (min(x, y) + 0.05); got < tt.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want at least %v", scheme, tt.front, tt.back, got, tt.least)
			}
		}
	}
}
