package plugintest

import (
	"context"
	"crypto/tls"
	"fmt"
	"iter"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// Block is a fenced block of a page in Markdown, as a test of documentation reads it.
type Block struct {
	// Kind is the word behind the fence: "sh", "console". Empty means none.
	Kind string
	// Text is what stands between the fences. Lines that end in a backslash are joined with the next.
	Text string
}

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// Blocks returns the fenced blocks of a page in their order.
func Blocks(page string) []Block {
	var list []Block
	for _, found := range fenced.FindAllStringSubmatch(page, -1) {
		list = append(list, Block{found[1], strings.ReplaceAll(found[2], "\\\n", "")})
	}
	return list
}

// Sessions returns the commands of a block that shows them behind "$ ", each with what it is to print.
func Sessions(text string) iter.Seq2[string, string] {
	return func(yield func(command, output string) bool) {
		for session := range strings.SplitSeq("\n"+text, "\n$ ") {
			command, output, _ := strings.Cut(session, "\n")
			if command != "" && !yield(command, output) {
				return
			}
		}
	}
}

var (
	tableRow = regexp.MustCompile(`(?m)^\| (.+?) \| (.*?) ?\| .* \|$`)
	named    = regexp.MustCompile("(?:`|, )(-{0,2})([a-z0-9-]+)")
	literal  = regexp.MustCompile("`([^`]*)`")
)

// CheckOptions compares the tables of a page in Markdown with options. Their rows have at least three cells: the first names
// the option and ends in "+" if it may be repeated, the second has the default, if there is one to tell.
//
//	| `--listen ENDPOINT` + | `tcp:7070` | where to listen |
//
// Each option that is not hidden is in a table. dashes is what stands before names, "--", or "" for settings such as those of
// a mount; with dashes each name must be an option.
func CheckOptions(t testing.TB, page string, fs *pflag.FlagSet, dashes string) {
	t.Helper()
	found := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(strings.ReplaceAll(page, `\|`, "¦"), -1) {
		for _, name := range named.FindAllStringSubmatch(row[1], -1) {
			if name[1] != dashes {
				continue
			}
			f := fs.Lookup(name[2])
			if f == nil && dashes != "" {
				t.Errorf("there is no option %s%s", dashes, name[2])
			}
			if f == nil {
				continue
			}
			found[f.Name] = true
			if err := compareOption(f, row[1], row[2]); err != nil {
				t.Errorf("%s%s: %v", dashes, f.Name, err)
			}
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if !found[f.Name] && !f.Hidden {
			t.Errorf("%s%s is in no table", dashes, f.Name)
		}
	})
}

func compareOption(f *pflag.Flag, first, second string) error {
	var values []string
	for _, value := range literal.FindAllStringSubmatch(second, -1) {
		values = append(values, value[1])
	}
	got, want := strings.Join(values, ","), strings.Trim(f.DefValue, "[]")
	if nothing := want == "" || want == "0" || want == "false"; !nothing && got != want {
		return fmt.Errorf("the default is %q, documented as %q", want, second)
	}
	if _, list := f.Value.(pflag.SliceValue); list != strings.HasSuffix(first, "+") {
		return fmt.Errorf("repeatable is %v, documented as %q", list, first)
	}
	return nil
}

// Words splits a command line as a shell does, and expands no names of files. It needs sh.
func Words(t testing.TB, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-f", "-c", `printf '%s\n' `+line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// Example is a documented command line that runs, on free ports of 127.0.0.1 instead of the endpoints that it names. The
// fields are in the order of Addrs.
type Example struct {
	*Server
	// Ports are the documented ones, "" for an endpoint without.
	Ports []string
	// Secured says which of them begin with TLS (Env.ListenTLS).
	Secured []bool

	mu sync.Mutex
}

// StartExample starts a service as Start does.
func StartExample(t testing.TB, p plugins.Plugin, args ...string) *Example {
	t.Helper()
	e, fresh := &Example{}, p.New
	p.New = func() plugins.Maker { return loopback{fresh(), e} }
	e.Server = Start(t, p, args...)
	return e
}

// Run runs a command of the shell, in which the documented addresses, 127.0.0.1 with a port, mean those of the example, and
// returns all that it prints, with the documented addresses and without carriage returns. It uses no proxy. The error is that
// of exec.Cmd.
func (e *Example) Run(ctx context.Context, command string) (output string, err error) {
	var there, back []string
	for i, port := range e.Ports {
		documented, bound := "127.0.0.1:"+port, e.Addrs()[i].String()
		there, back = append(there, documented, bound), append(back, bound, documented)
	}
	out, err := exec.CommandContext(ctx, "sh", "-c", "export no_proxy='*'; "+strings.NewReplacer(there...).Replace(command)).CombinedOutput()
	return strings.NewReplacer(back...).Replace(strings.ReplaceAll(string(out), "\r", "")), err
}

var portNumber = regexp.MustCompile(`\d+`)

// note returns what to listen on instead of a documented endpoint.
func (e *Example) note(spec string, secured bool) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.Ports, e.Secured = append(e.Ports, portNumber.FindString(spec)), append(e.Secured, secured)
	return "tcp:0:interface=127.0.0.1"
}

// loopback binds each endpoint of an example to a free port.
type loopback struct {
	plugins.Maker
	example *Example
}

// Make implements plugins.Maker.
func (l loopback) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	e := *env
	e.Listen = func(ctx context.Context, spec string) (net.Listener, error) {
		return env.Listen(ctx, l.example.note(spec, false))
	}
	e.ListenTLS = func(ctx context.Context, spec string, c *tls.Config) (net.Listener, error) {
		return env.ListenTLS(ctx, l.example.note(spec, true), c)
	}
	return l.Maker.Make(ctx, &e)
}
