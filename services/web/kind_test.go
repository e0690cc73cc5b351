package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// diary is what was called, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// helloKind is a kind of mount as another program would add it.
func helloKind(d *diary) Kind {
	return Kind{"hello", "greet whoever asks: hello:NAME", func() Mounter { return &helloMount{diary: d} }}
}

type helloMount struct {
	diary *diary
	loud  bool
}

func (m *helloMount) Flags(fs *pflag.FlagSet) {
	fs.BoolVar(&m.loud, "loud", false, "greet in capitals")
}

func (m *helloMount) Mount(_ context.Context, at Place, _ *plugins.Env) (http.Handler, error) {
	if at.Arg == "" {
		return nil, &plugins.UsageError{Reason: "hello: nobody to greet", Suggestion: "name somebody: hello:world"}
	}
	m.diary.note("mount %s%s %s", at.Host, at.Path, at.Arg)
	h := &hello{diary: m.diary, text: "hello " + at.Arg, serving: make(chan struct{})}
	if m.loud {
		h.text = strings.ToUpper(h.text)
	}
	return h, nil
}

type hello struct {
	diary   *diary
	text    string
	serving chan struct{}
}

func (h *hello) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.diary.note("request %s", r.URL.Path)
	_, _ = io.WriteString(w, h.text)
	if r.URL.Query().Has("wait") {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		h.diary.note("request ends")
	}
}

func (h *hello) Serve(ctx context.Context) error {
	h.diary.note("serve")
	close(h.serving)
	<-ctx.Done()
	h.diary.note("serve ends")
	return nil
}

func (h *hello) Reload(context.Context) error {
	h.diary.note("reload")
	return nil
}

func (h *hello) Report() []slog.Attr { return []slog.Attr{slog.String("greeting", h.text)} }

func (h *hello) Close() error {
	h.diary.note("close")
	return nil
}

// TestKind says that a kind from elsewhere gets all that those of our own get, each once and in its order.
func TestKind(t *testing.T) {
	d := &diary{}
	srv := plugintest.Start(t, Plugin(helloKind(d)), "--port", "0", "--route-prefix", "/app",
		"--mount", "/greet=hello:world,loud,add-header=X-Mood: good")
	site := srv.Service.(*site)
	handler := site.mounts[0].inner.(*hello)
	<-handler.serving

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + srv.Addrs()[0].String() + "/app/greet/x")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || string(body) != "HELLO WORLD" || res.Header.Get("X-Mood") != "good" {
		t.Errorf("GET /app/greet/x = %q, %v, X-Mood %q", body, err, res.Header.Get("X-Mood"))
	}
	if err := site.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	report := site.Report()
	if !slices.ContainsFunc(report, func(a slog.Attr) bool { return a.Equal(slog.String("greeting", "HELLO WORLD")) }) {
		t.Errorf("Report() = %v, want the greeting in it", report)
	}

	// A request that is under way holds up Close, and ends with its connection.
	waiting, err := client.Get("http://" + srv.Addrs()[0].String() + "/app/greet?wait")
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Body.Close()
	srv.Drain()
	for deadline := time.Now().Add(20 * time.Second); !slices.Contains(d.all(), "serve ends") && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if lines := d.all(); slices.Contains(lines, "close") {
		t.Errorf("closed while a request is under way: %q", lines)
	}
	if err := srv.Stop(); err != nil {
		t.Error(err)
	}
	want := []string{
		"mount /app/greet world", "serve", "request /app/greet/x", "reload", "request /app/greet", "serve ends", "request ends", "close",
	}
	if got := d.all(); !slices.Equal(got, want) {
		t.Errorf("called:\n%q\nwant\n%q", got, want)
	}
}

// TestKindFails says that a kind is closed also if the start fails, and that its mistakes are told as ours are.
func TestKindFails(t *testing.T) {
	d := &diary{}
	o := &options{more: []Kind{helloKind(d)}}
	err := madeBy(t, o, "--mount", "/a=hello:x", "--mount", "/b=hello")
	if usage, ok := errors.AsType[*plugins.UsageError](err); !ok || usage.Reason != `--mount "/b=hello": hello: nobody to greet` || usage.Hint() == "" {
		t.Errorf("Make() = %v", err)
	}
	if got := d.all(); !slices.Equal(got, []string{"mount /a x", "close"}) {
		t.Errorf("called %q, want the first one closed", got)
	}
	if err := madeBy(t, &options{more: []Kind{helloKind(d)}}, "--mount", "/=hell:x"); err == nil || !strings.Contains(err.Error(), "static, proxy, redirect, hello") {
		t.Errorf("Make() = %v, want the kinds that there are", err)
	}
}

// TestKindServeFails says that the whole service ends when a kind's background work does with an error.
func TestKindServeFails(t *testing.T) {
	broken := errors.New("broken")
	kind := Kind{"broken", "what does not work", func() Mounter { return brokenMount{broken} }}
	o := &options{more: []Kind{kind}}
	flags := pflag.NewFlagSet("web", pflag.ContinueOnError)
	o.Flags(flags)
	if err := flags.Parse([]string{"--port", "0", "--mount", "/=broken"}); err != nil {
		t.Fatal(err)
	}
	svc, err := o.Make(t.Context(), plugintest.Env(t, "web"))
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Serve(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Serve() = %v, want %v", err, broken)
	}
}

type brokenMount struct{ err error }

func (brokenMount) Flags(*pflag.FlagSet) {}

func (m brokenMount) Mount(context.Context, Place, *plugins.Env) (http.Handler, error) {
	return broken{http.NotFoundHandler(), m.err}, nil
}

type broken struct {
	http.Handler
	err error
}

func (b broken) Serve(context.Context) error { return b.err }

func TestKindsOfAnotherProgram(t *testing.T) {
	ok := func() Mounter { return brokenMount{} }
	for _, kinds := range [][]Kind{{{"static", "", ok}}, {{"a", "", ok}, {"a", "", ok}}, {{"", "", ok}}, {{"A", "", ok}}, {{"a:b", "", ok}}, {{"a", "", nil}}} {
		if _, err := allKinds(kinds); err == nil {
			t.Errorf("allKinds(%v) takes them", kinds)
		}
	}
}
