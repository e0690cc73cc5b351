package web_test

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
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
	text := readPage(t, "web.md") + readPage(t, "ssl-web.md")
	plugintest.CheckOptions(t, text, plain, "--")
	plugintest.CheckOptions(t, text, upstreams, "")
	secure.VisitAll(func(f *pflag.Flag) {
		if plain.Lookup(f.Name) == nil {
			t.Errorf("ssl-web has --%s, which web has not", f.Name)
		}
	})
}
