package cmd

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

func TestPageOptions(t *testing.T) {
	declare := func() *pflag.FlagSet {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		fs.SortFlags = false
		plugins.Group(fs, "Limits", func(fs *pflag.FlagSet) {
			fs.Duration("slow", 5*time.Minute, "how long a client may be slow before it is sent away for good")
			fs.Bool("off", false, "no limits")
		})
		fs.StringArrayP("index", "i", []string{"a.html", "b.html"}, "send `NAME`")
		fs.String("cors", "", "let `ORIGIN` read")
		fs.Lookup("cors").NoOptDefVal = "*"
		document(fs, "web")
		fs.Bool("gone", false, "not shown")
		fs.Lookup("gone").Hidden = true
		return fs
	}
	for _, tt := range []struct {
		name  string
		width int
		want  string
	}{
		{"wide", 80, `
Options:
  -i, --index NAME     send NAME (default a.html, b.html) [GTWISTD_WEB_INDEX]
      --cors[=ORIGIN]  let ORIGIN read [GTWISTD_WEB_CORS]

Limits:
      --slow DURATION  how long a client may be slow before it is sent away for
                       good (default 5m) [GTWISTD_WEB_SLOW]
      --off            no limits [GTWISTD_WEB_OFF]
`},
		{"narrow", 40, `
Options:
  -i, --index NAME
        send NAME
        (default a.html, b.html)
        [GTWISTD_WEB_INDEX]
      --cors[=ORIGIN]
        let ORIGIN read
        [GTWISTD_WEB_CORS]

Limits:
      --slow DURATION
        how long a client may be slow
        before it is sent away for good
        (default 5m) [GTWISTD_WEB_SLOW]
      --off
        no limits [GTWISTD_WEB_OFF]
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := page{width: tt.width}
			p.options("Options", declare(), asOption)
			if got := p.String(); got != tt.want {
				t.Errorf("at %d columns:\n%swant\n%s", tt.width, got, tt.want)
			}
		})
	}
}

func TestPageText(t *testing.T) {
	p := page{width: 40}
	p.text("A paragraph that is longer than one line\nof the terminal.\n\n  KEY  what it opens, which may be said in more words\n  as it is, however long it may be and whatever it says\n")
	want := `A paragraph that is longer than one line
of the terminal.

  KEY  what it opens, which may be said
       in more words
  as it is, however long it may be and whatever it says
`
	if got := p.String(); got != want {
		t.Errorf("text() =\n%swant\n%s", got, want)
	}
}

func TestDefaultText(t *testing.T) {
	size, none, day := plugins.Size(256), plugins.Size(0), age(30*24*time.Hour)
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	for name, v := range map[string]pflag.Value{"size": &size, "none": &none, "age": &day} {
		fs.Var(v, name, "")
	}
	fs.Duration("zero", 0, "")
	fs.Duration("minutes", 75*time.Minute, "")
	fs.Duration("hour", time.Hour, "")
	fs.Duration("seconds", 75*time.Second, "")
	fs.Duration("ten", 10*time.Minute, "")
	fs.StringArray("list", []string{"a", "b"}, "")
	fs.StringArray("nothing", nil, "")
	fs.Bool("no", false, "")
	fs.Bool("yes", true, "")
	fs.Int("int", 0, "")
	for name, want := range map[string]string{
		"size": "256 bytes", "none": "", "age": "30d", "zero": "", "minutes": "1h15m", "hour": "1h", "seconds": "1m15s", "ten": "10m",
		"list": "a, b", "nothing": "", "no": "", "yes": "true", "int": "",
	} {
		if got := defaultText(fs.Lookup(name)); got != want {
			t.Errorf("defaultText(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestCommandParts(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       []string
	}{
		{"options", "gtwistd -n web --port 80 + echo", []string{"gtwistd", "-n web", "--port 80", "+ echo"}},
		{"quoted", "gtwistd web --add-header 'A: b -c' --open", []string{"gtwistd", "web", "--add-header 'A: b -c'", "--open"}},
		{"comment", "gtwistd web -p 80   # as root", []string{"gtwistd web -p 80   # as root"}},
		{"empty", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := commandParts(tt.line); strings.Join(got, " ") != strings.Join(tt.want, " ") || tt.name == "quoted" && !slices.Contains(got, tt.want[2]) {
				t.Errorf("commandParts(%q) = %q, want %q", tt.line, got, tt.want)
			}
		})
	}
}

// TestManualFits says that nothing but what cannot be broken, a command or a form, is wider than the terminal.
func TestManualFits(t *testing.T) {
	p := testProgram(t)
	for _, width := range []int{50, 80, 100, 120} {
		root := p.rootCommand(&invocation{opts: newOptions()})
		m := page{width: width}
		p.rootHelp(&m, root)
		for _, c := range root.Commands() {
			commandHelp(&m, c)
		}
		for _, topic := range p.topics() {
			m.topic(topic)
		}
		for line := range strings.Lines(m.String()) {
			line = strings.TrimSuffix(line, "\n")
			whole := strings.HasPrefix(line, "  gtwistd ") || strings.HasPrefix(line, "  --mount ")
			if utf8.RuneCountInString(line) > width && !whole {
				t.Errorf("at %d columns: %s", width, line)
			}
		}
	}
}
