package ftp_test

import (
	"context"
	"net"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// start serves in an environment that a test has changed, until the test ends.
func start(t *testing.T, host *plugintest.Host, args ...string) net.Addr {
	t.Helper()
	svc, err := makeService(t, host, args...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		host.CloseConns()
		if err := <-done; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return host.Addrs()[0]
}

func makeService(t *testing.T, host *plugintest.Host, args ...string) (plugins.Service, error) {
	t.Helper()
	maker, fs := ftp.Plugin().New(), pflag.NewFlagSet("ftp", pflag.ContinueOnError)
	maker.Flags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return maker.Make(t.Context(), host.Env)
}
