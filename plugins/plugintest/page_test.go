package plugintest

import (
	"slices"
	"strings"
	"testing"
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
