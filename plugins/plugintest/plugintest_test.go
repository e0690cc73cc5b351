package plugintest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a service that keeps the contract, except for the clause that fault names.
type model struct {
	fault  string
	listen []string

	ln net.Listener
}

func modelPlugin(fault string) plugins.Plugin {
	p := plugins.Plugin{
		Name:    "model",
		Summary: "swallow what comes",
		Example: "gtwistd -n model --listen tcp:0   # any port\ngtwistd web + model --listen 'tcp:0' + ftp",
		New:     func() plugins.Maker { return &model{fault: fault} },
	}
	switch fault {
	case "full stop":
		p.Summary += "."
	case "example with a wrong flag":
		p.Example += " --wrong"
		p.Example = strings.Replace(p.Example, "model --listen", "model --lisen", 1)
	case "example of another plugin":
		p.Example = "gtwistd web"
	case "shared options":
		shared := &model{fault: fault}
		p.New = func() plugins.Maker { return shared }
	}
	return p
}

func (m *model) Flags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&m.listen, "listen", m.listen, "what to listen on")
	switch m.fault {
	case "no usage":
		fs.Bool("deaf", false, "")
	case "camel case":
		fs.Bool("veryDeaf", false, "hear nothing")
	case "takes -h":
		fs.StringP("host", "h", "", "name of the host")
	case "collision":
		fs.Bool("listen", false, "hear something")
	}
}

func (m *model) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	if len(m.listen) == 0 && m.fault == "plain error" {
		return nil, errors.New("nothing to listen on")
	}
	if len(m.listen) == 0 {
		return nil, plugins.Usagef("nothing to listen on")
	}
	var err error
	if m.ln, err = env.Listen(ctx, m.listen[0]); err != nil {
		if m.fault == "own bind error" {
			return nil, errors.New("no luck")
		}
		return nil, err
	}
	return m, nil
}

func (m *model) Serve(ctx context.Context) error {
	if m.fault == "fails" {
		return errors.New("no wish to serve")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	if m.fault == "leaks" {
		go func() { select {} }()
	}
	wg.Go(func() {
		<-ctx.Done()
		_ = m.ln.Close()
	})
	for {
		c, err := m.ln.Accept()
		if err != nil && m.fault == "cancel is an error" {
			return err
		}
		if err != nil {
			return nil
		}
		wg.Go(func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		})
	}
}

func (m *model) Report() []slog.Attr {
	if m.fault == "report without a key" {
		return []slog.Attr{slog.Int("", 1)}
	}
	return nil
}

func (m *model) Reload(context.Context) error {
	if m.fault == "reload fails" {
		return errors.New("no")
	}
	return nil
}

var modelConfig = Config{Args: []string{"--listen", "127.0.0.1:0"}, BadArgs: [][]string{{}, {"--no-such-flag"}, {"argument"}}}

func TestContract(t *testing.T) { Run(t, modelPlugin(""), modelConfig) }

// TestBreaches says that each clause can fail: the kit finds a plugin that breaks it.
func TestBreaches(t *testing.T) {
	tests := []struct{ fault, clause, text string }{
		{"full stop", "the registry takes it", "full stop"},
		{"no usage", "flags are described", "--deaf has no usage text"},
		{"camel case", "flags are described", `"veryDeaf"`},
		{"takes -h", "flags are described", "--host takes the place"},
		{"collision", "flags are described", "redefined"},
		{"shared options", "options are fresh each time", "--listen"},
		{"example with a wrong flag", "examples parse", "--lisen"},
		{"example of another plugin", "examples parse", "does not run model"},
		{"plain error", "bad flags are usage errors", "*plugins.UsageError"},
		{"own bind error", "a bind error comes back", "no luck"},
		{"fails", "cancel ends it", "no wish"},
		{"cancel is an error", "cancel ends it", "use of closed"},
		{"cancel is an error", "an open connection ends with the grace period", "use of closed"},
		{"report without a key", "report and reload while serving", "without a key"},
		{"reload fails", "report and reload while serving", "Reload() = no"},
		{"cancel is an error", "two instances side by side", "use of closed"},
	}
	for _, tt := range tests {
		t.Run(tt.fault+"/"+tt.clause, func(t *testing.T) {
			for _, check := range checks {
				if check.name != tt.clause {
					continue
				}
				err := check.holds(t, modelPlugin(tt.fault), withDial(modelConfig))
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("check of %q = %v, want an error with %q", tt.fault, err, tt.text)
				}
				return
			}
			t.Fatalf("no clause %q", tt.clause)
		})
	}
}

func TestLeakIsFound(t *testing.T) {
	before, end := goroutines(), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { <-end })
	if err := before.leaked(); err == nil {
		t.Error("leaked() = nil with a goroutine that waits")
	}
	close(end)
	wg.Wait()
	if err := before.leaked(); err != nil {
		t.Errorf("leaked() = %v after its end", err)
	}
}

func withDial(c Config) Config {
	c.Dial = dialFirst
	return c
}

func TestHostKeepsRecords(t *testing.T) {
	h := NewHost(t, "model")
	h.Env.Log.Debug("hello", "n", 1)
	if got, want := h.Log(), `msg=hello service=model n=1`; !strings.Contains(got, want) {
		t.Errorf("Log() = %q, want %q in it", got, want)
	}
	w, err := h.Env.AccessLog("")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "one")
	_, _ = io.WriteString(w, "two\n")
	if got := h.AccessLog(); got != "one\ntwo\n" {
		t.Errorf("AccessLog() = %q, want two lines", got)
	}
	path := t.TempDir() + "/access"
	f, err := h.Env.AccessLog(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(f, "three")
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "three\n" {
		t.Errorf("ReadFile = %q, %v, want one line", got, err)
	}
	err = h.Env.Pool.Do(t.Context(), func() error { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Do of a panic = %v, want an error", err)
	}
}

func TestHostListens(t *testing.T) {
	dir := t.TempDir()
	h := NewHost(t, "model")
	for _, spec := range []string{"0", ":0", "127.0.0.1:0", "tcp:0", "tcp:127.0.0.1:0", "tcp:0:interface=127.0.0.1", "unix:" + dir + "/s"} {
		if _, err := h.Env.Listen(t.Context(), spec); err != nil {
			t.Errorf("Listen(%q) = %v", spec, err)
		}
	}
	for _, addr := range h.Addrs() {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Errorf("Addrs() has one that cannot be dialed: %v", err)
			continue
		}
		_ = conn.Close()
	}
	if _, err := h.Env.ListenPacket(t.Context(), "udp:0"); err != nil {
		t.Error(err)
	}
	var usage *plugins.UsageError
	for _, spec := range []string{"", "carrier-pigeon:1", "tcp:x"} {
		if _, err := h.Env.Listen(t.Context(), spec); !errors.As(err, &usage) {
			t.Errorf("Listen(%q) = nil, want a usage error", spec)
		}
	}
	if _, err := h.Env.ListenPacket(t.Context(), "tcp:0"); !errors.As(err, &usage) {
		t.Errorf(`ListenPacket("tcp:0") = %v, want a usage error`, err)
	}
}

// TestHostHasTLS says that a service gets a certificate of its own or those it names, and any endpoint under TLS.
func TestHostHasTLS(t *testing.T) {
	h := NewHost(t, "model")
	made, err := h.Env.TLS(t.Context(), plugins.TLSOptions{NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	if report := made.Report(); len(report) != 1 || !strings.Contains(report[0].Value.String(), "self-made") || made.Challenge != nil {
		t.Errorf("Report() = %v, want one self-made certificate", report)
	}
	ln, err := h.Env.ListenTLS(t.Context(), "127.0.0.1:0", made.Config)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "hi")
		_ = conn.Close()
	})
	conn, err := tls.Dial("tcp", h.Addrs()[0].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "hi" || err != nil || conn.ConnectionState().NegotiatedProtocol != "h2" {
		t.Errorf("read %q, %v", got, err)
	}
	_ = conn.Close()
	wg.Wait()
	if err := h.ReloadCertificates(t.Context()); err != nil {
		t.Error(err)
	}

	var usage *plugins.UsageError
	_, err = h.Env.TLS(t.Context(), plugins.TLSOptions{Certificates: []plugins.KeyPair{{Key: "key.pem"}}})
	if !errors.As(err, &usage) || usage.Hint() == "" {
		t.Errorf("TLS with a key alone = %v, want a usage error with a hint", err)
	}
	_, err = h.Env.TLS(t.Context(), plugins.TLSOptions{Certificates: []plugins.KeyPair{{Cert: "/nonexistent"}}})
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &usage) {
		t.Errorf("TLS without its file = %v, want one that is no usage error", err)
	}
}

func TestSplitWords(t *testing.T) {
	tests := []struct {
		line string
		want string
	}{
		{"a b  c", "a|b|c"},
		{`a 'b c' "d"`, "a|b c|d"},
		{"a b#c # rest", "a|b#c"},
		{"", ""},
		{"a ''", "a|"},
	}
	for _, tt := range tests {
		if got := strings.Join(splitWords(tt.line), "|"); got != tt.want {
			t.Errorf("splitWords(%q) = %q, want %q", tt.line, got, tt.want)
		}
	}
}
