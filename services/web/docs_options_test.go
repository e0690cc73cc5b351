package web_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/services/web"
	"github.com/gtwistd/gtwistd/services/web/proxy"
)

// TestDocumentedOptions compares the tables of the pages with the flags.
func TestDocumentedOptions(t *testing.T) {
	plain, secure := pflag.NewFlagSet("web", pflag.ContinueOnError), pflag.NewFlagSet("ssl-web", pflag.ContinueOnError)
	web.Plugin().New().Flags(plain)
	web.SecurePlugin().New().Flags(secure)
	upstreams := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	(&proxy.Options{}).Flags(upstreams)
	mine := map[string]bool{}
	text := readPage(t, "web.md") + readPage(t, "ssl-web.md")
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| (.*?) ?\| .* \|$`).FindAllStringSubmatch(strings.ReplaceAll(text, `\|`, "¦"), -1) {
		for _, name := range regexp.MustCompile("(?:`|, )--([a-z0-9-]+)").FindAllStringSubmatch(row[1], -1) {
			flag := plain.Lookup(name[1])
			if flag == nil {
				t.Errorf("there is no option --%s", name[1])
				continue
			}
			mine[name[1]] = true
			compareDefault(t, "--"+name[1], flag, row)
		}
		for _, name := range regexp.MustCompile("`([a-z0-9-]+)(?:=[^`]*)?`").FindAllStringSubmatch(row[1], -1) {
			if flag := upstreams.Lookup(name[1]); flag != nil {
				mine["proxy "+name[1]] = true
				compareDefault(t, name[1], flag, row)
			}
		}
	}
	for prefix, fs := range map[string]*pflag.FlagSet{"": plain, "proxy ": upstreams} {
		fs.VisitAll(func(f *pflag.Flag) {
			if !mine[prefix+f.Name] {
				t.Errorf("%s%s is in no table", prefix, f.Name)
			}
		})
	}
	secure.VisitAll(func(f *pflag.Flag) {
		if plain.Lookup(f.Name) == nil {
			t.Errorf("ssl-web has --%s, which web has not", f.Name)
		}
	})
}

// compareDefault says whether the second column has the default in code, and the first a sign if the option is repeatable.
func compareDefault(t *testing.T, name string, f *pflag.Flag, row []string) {
	t.Helper()
	var values []string
	for _, value := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[2], -1) {
		values = append(values, value[1])
	}
	got, want := strings.Join(values, ","), strings.Trim(f.DefValue, "[]")
	if nothing := want == "" || want == "0" || want == "false"; !nothing && got != want {
		t.Errorf("%s: the default is %q, documented as %q", name, want, row[2])
	}
	if _, list := f.Value.(pflag.SliceValue); list != strings.HasSuffix(row[1], "+") {
		t.Errorf("%s: repeatable is %v, documented as %q", name, list, row[1])
	}
}
