package web

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// made returns what is wrong with a command line, with the words that the runner prints.
func made(t *testing.T, args ...string) error {
	t.Helper()
	return madeBy(t, &options{}, args...)
}

func madeBy(t *testing.T, o *options, args ...string) error {
	t.Helper()
	flags := pflag.NewFlagSet("web", pflag.ContinueOnError)
	o.Flags(flags)
	if err := flags.Parse(append([]string{"--port", "0"}, args...)); err != nil {
		return err
	}
	host := plugintest.NewHost(t, "web")
	svc, err := o.Make(t.Context(), host.Env)
	if err == nil {
		svc.(*site).close()
	}
	return err
}
