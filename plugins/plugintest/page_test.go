package plugintest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const page = "# a page\n\n```sh\nmodel --listen \\\n  tcp:70\n```\n\n```\nplain\n```\n"

func TestBlocks(t *testing.T) {
	want := []Block{{"sh", "model --listen   tcp:70\n"}, {"", "plain\n"}}
	if got := Blocks(page); !slices.Equal(got, want) {
		t.Errorf("Blocks() = %q, want %q", got, want)
	}
}

func TestSessions(t *testing.T) {
	var got []string
	for command, output := range Sessions("$ echo '$ a'\n$ a\n$ true\n") {
		got = append(got, command, output)
	}
	if want := []string{"echo '$ a'", "", "a", "", "true", ""}; !slices.Equal(got, want) {
		t.Errorf("Sessions() = %q, want %q", got, want)
	}
}

func TestExample(t *testing.T) {
	NeedTool(t, "sh", "dash")
	e := StartExample(t, modelPlugin(""), Words(t, "--listen 'tcp:70'")...)
	if !slices.Equal(e.Ports, []string{"70"}) || !slices.Equal(e.Secured, []bool{false}) {
		t.Errorf("Ports, Secured = %q, %v, want 70 and false", e.Ports, e.Secured)
	}
	documented, bound := "127.0.0.1:"+e.Ports[0], e.Addrs()[0].String()
	got, err := e.Run(t.Context(), "printf '%s\\r\\n' "+documented+"; test "+documented+" = "+bound)
	if err != nil || strings.TrimSpace(got) != documented {
		t.Errorf("Run() = %q, %v, want %s, which means %s inside", got, err, documented, bound)
	}
	if got, err := e.Run(t.Context(), "echo no; false"); err == nil || got != "no\n" {
		t.Errorf("Run() of what fails = %q, %v, want an error", got, err)
	}
}

// complaints is a test that keeps its errors.
type complaints struct {
	testing.TB
	list []string
}

func (c *complaints) Helper() {}

func (c *complaints) Errorf(format string, args ...any) {
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func TestCheckOptions(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.StringArray("listen", nil, "")
	fs.StringP("greeting", "g", "hello", "")
	fs.Bool("deaf", false, "")
	fs.Bool("old", false, "")
	if err := fs.MarkHidden("old"); err != nil {
		t.Fatal(err)
	}
	listen, greeting, deaf := "| `--listen ENDPOINT` + | | where |\n", "| `--greeting TEXT`, `-g TEXT` | `hello` | say |\n", "| `--deaf` | | hear |\n"
	for _, tt := range []struct{ name, page, dashes, want string }{
		{"all is well", "| option | default | |\n|---|---|---|\n" + listen + greeting + deaf, "--", ""},
		{"without dashes", "| `deaf` | | hear |\n| `other` | | x |\n| `listen=E` + | | a |\n| `greeting` | `hello` | b |\n", "", ""},
		{"another default", listen + strings.Replace(greeting, "hello", "bye", 1) + deaf, "--", "--greeting: the default is \"hello\", documented as \"`bye`\""},
		{"may be repeated", strings.Replace(listen, " +", "", 1) + greeting + deaf, "--", "--listen: repeatable is true, documented as \"`--listen ENDPOINT`\""},
		{"one is missing", listen + greeting, "--", "--deaf is in no table"},
		{"one too many", listen + greeting + deaf + "| `--blind` | | see |\n", "--", "there is no option --blind"},
	} {
		c := &complaints{TB: t}
		CheckOptions(c, tt.page, fs, tt.dashes)
		if got := strings.Join(c.list, "\n"); got != tt.want {
			t.Errorf("%s: CheckOptions() says %q, want %q", tt.name, got, tt.want)
		}
	}
}
