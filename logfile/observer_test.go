package logfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/gtwistd/gtwistd/logfile"
)

func fixedClock() time.Time {
	return time.Date(2026, 11, 20, 9, 16, 43, 7e6, time.FixedZone("", 3600))
}

// logged returns what an observer with these options writes.
func logged(t *testing.T, o logfile.ObserverOptions, do func(*logfile.Observer)) string {
	t.Helper()
	var b lockedBuffer
	if o.Now == nil {
		o.Now = fixedClock
	}
	ob := logfile.NewObserver(&b, o)
	do(ob)
	if err := ob.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type angry struct{}

func (angry) String() string               { panic("boom") }
func (angry) MarshalText() ([]byte, error) { panic("boom") }

type angryValuer struct{}

func (angryValuer) LogValue() slog.Value { panic("boom") }

func TestText(t *testing.T) {
	const head = "2026-11-20T09:16:43+0100 "
	var nilError *logfile.File
	tests := []struct {
		name string
		do   func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("hello") }, "[web#info] hello\n"},
		{"levels", func(l *slog.Logger) { l.Warn("a"); l.Error("b"); l.Debug("c") }, "[web#warn] a\n" + head + "[web#error] b\n"},
		{"values", func(l *slog.Logger) { l.Info("m", "a", 1, "b", true, "d", 1500*time.Millisecond, "f", 0.5) }, "[web#info] m a=1 b=true d=1.5s f=0.5\n"},
		{"quotes", func(l *slog.Logger) { l.Info("m", "a", "two words", "b", "", "c", "x=y", "d e", "\"\n") }, `[web#info] m a="two words" b="" c="x=y" "d e"="\"\n"` + "\n"},
		{"several lines", func(l *slog.Logger) { l.Info("one\ntwo\r\n\tthree\n\n") }, "[web#info] one\n\ttwo\n\t\tthree\n"},
		{"terminal codes", func(l *slog.Logger) { l.Info("a\x1b[2Jb\x00\u009bc\xffdé") }, `[web#info] a\x1b[2Jb\x00\u009bc\xffdé` + "\n"},
		{"groups", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("m", "c", 3, slog.Group("i", "d", 4), slog.Group("", "e", 5), slog.Group("j"))
		}, "[web#info] m a=1 g.b=2 g.h.c=3 g.h.i.d=4 g.h.e=5\n"},
		{"errors", func(l *slog.Logger) { l.Info("m", "err", errors.New("no such file"), "nil", error(nil)) }, `[web#info] m err="no such file" nil=<nil>` + "\n"},
		{"nil pointer", func(l *slog.Logger) { l.Info("m", "f", nilError) }, "[web#info] m f=<nil>\n"},
		{"panic", func(l *slog.Logger) { l.Info("m", "a", angry{}) }, `[web#info] m a="%!v(PANIC=String method: boom)"` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(t, logfile.ObserverOptions{}, func(o *logfile.Observer) { tt.do(o.Logger("web")) })
			if strings.ReplaceAll(got, "%+v", "%!v") != head+tt.want && got != head+tt.want {
				t.Errorf("got %q, want %q", got, head+tt.want)
			}
		})
	}
}

func TestPanickingValuer(t *testing.T) {
	for _, format := range []logfile.Format{logfile.Text, logfile.JSON, logfile.Console} {
		got := logged(t, logfile.ObserverOptions{Format: format}, func(o *logfile.Observer) {
			o.Logger("web").Info("m", "a", angryValuer{}, "b", angry{})
		})
		if !strings.Contains(got, "panicked") || !strings.Contains(got, "boom") || strings.Count(got, "\n") != 1 {
			t.Errorf("format %d: %q", format, got)
		}
	}
}

func TestOtherFormats(t *testing.T) {
	do := func(o *logfile.Observer) {
		o.Logger("web").With("n", 1).Warn("a\nb", "k", "v w")
		fmt.Fprint(o.Writer("", slog.LevelInfo), "GET / \"x\"\x1b\n")
	}
	tests := []struct {
		name string
		o    logfile.ObserverOptions
		want string
	}{
		{"json", logfile.ObserverOptions{Format: logfile.JSON}, `{"time":"2026-11-20T09:16:43.007+01:00","level":"warn","service":"web","msg":"a\nb","n":1,"k":"v w"}` + "\n" +
			`{"time":"2026-11-20T09:16:43.007+01:00","level":"info","service":"-","msg":"GET / \"x\"\u001b"}` + "\n"},
		{"console", logfile.ObserverOptions{Format: logfile.Console}, "09:16:43  WARN   web  a\n\tb n=1 k=\"v w\"\n09:16:43  INFO   -  GET / \"x\"\\x1b\n"},
		{"colour", logfile.ObserverOptions{Format: logfile.Console, Color: true}, "09:16:43  \x1b[33mWARN \x1b[0m  \x1b[36mweb\x1b[0m  a\n\tb \x1b[2mn=\x1b[0m1 \x1b[2mk=\x1b[0m\"v w\"\n" +
			"09:16:43  \x1b[32mINFO \x1b[0m  \x1b[36m-\x1b[0m  GET / \"x\"\\x1b\n"},
		{"raw", logfile.ObserverOptions{Format: logfile.Raw}, "a\nb n=1 k=\"v w\"\nGET / \"x\"\x1b\n"},
		{"text", logfile.ObserverOptions{}, "2026-11-20T09:16:43+0100 [web#warn] a\n\tb n=1 k=\"v w\"\n2026-11-20T09:16:43+0100 [-#info] GET / \"x\"\\x1b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := logged(t, tt.o, do); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestJSONValues(t *testing.T) {
	got := logged(t, logfile.ObserverOptions{Format: logfile.JSON}, func(o *logfile.Observer) {
		l := o.Logger("web").With("a", 1)
		l.Info("m", "a", 2, "msg", 3, slog.Group("g", "a", 4, "a", 5), slog.Group("g", "x", 6))
		l.With("a", 7).WithGroup("a").With(slog.Group("empty")).Info("m", "a", 8, "a", 9)
		l.WithGroup("a").Info("m")
		l.Info("m", "nan", math.NaN(), "f", 0.5, "d", time.Second, "err", io.EOF, "any", map[string]int{"<": 1}, "fn", func() {}, "bad", "\xff\u2028")
	})
	want := []string{
		`"a":1,"a#2":2,"msg#2":3,"g":{"a":4,"a#2":5},"g#2":{"x":6}}`,
		`"a":1,"a#2":7,"a#3":{"a":8,"a#2":9}}`,
		`"a":1}`,
		`"a":1,"nan":"NaN","f":0.5,"d":"1s","err":"EOF","any":{"<":1},"fn":"!ERROR: json: unsupported type: func()","bad":"\ufffd\u2028"}`,
	}
	for i, line := range strings.Split(strings.TrimSpace(got), "\n") {
		_, attrs, _ := strings.Cut(line, `"msg":"m",`)
		if attrs != want[i] {
			t.Errorf("line %d is %s\nwant %s", i, attrs, want[i])
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestSlogContract(t *testing.T) {
	var b lockedBuffer
	o := logfile.NewObserver(&b, logfile.ObserverOptions{Format: logfile.JSON})
	defer o.Close()
	err := slogtest.TestHandler(o.Logger("web").Handler(), func() (list []map[string]any) {
		if err := o.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			m := map[string]any{}
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			list = append(list, m)
		}
		return list
	})
	if err != nil {
		t.Error(err)
	}
}

func TestServiceLevels(t *testing.T) {
	levels, err := logfile.ParseLevels("warn, ftp=debug")
	if err != nil {
		t.Fatal(err)
	}
	got := logged(t, logfile.ObserverOptions{Levels: levels, Format: logfile.Raw}, func(o *logfile.Observer) {
		for _, name := range []string{"web", "ftp", "ftp-2"} {
			o.Logger(name).Debug(name)
			fmt.Fprint(o.Writer(name, slog.LevelInfo), name, " access")
		}
	})
	if want := "ftp\nftp access\nftp-2\nftp-2 access\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseLevels(t *testing.T) {
	for _, s := range []string{"loud", "info,debug", "=debug", "ftp=", "ftp=info,ftp=debug", "info,"} {
		_, err := logfile.ParseLevels(s)
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || hint.Hint() == "" {
			t.Errorf("ParseLevels(%q) = %v, want an error with a hint", s, err)
		}
	}
	l, err := logfile.ParseLevels("web=error,web.static=debug,WARN")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]slog.Level{"web": slog.LevelError, "web-12": slog.LevelError, "web.static": slog.LevelDebug, "web-x": slog.LevelWarn, "": slog.LevelWarn} {
		if got := l.Level(name); got != want {
			t.Errorf("Level(%q) = %v, want %v", name, got, want)
		}
	}
}

// gate is a sink that takes nothing until it is opened, then fails as long as err is set.
type gate struct {
	open, entered chan struct{}
	mu            sync.Mutex
	err           error
	buf           bytes.Buffer
}

func newGate() *gate { return &gate{open: make(chan struct{}), entered: make(chan struct{}, 100)} }

func (g *gate) Write(p []byte) (int, error) {
	g.entered <- struct{}{}
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return g.buf.Write(p)
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buf.String()
}

func TestDropped(t *testing.T) {
	for _, format := range []logfile.Format{logfile.Text, logfile.Raw} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			var warned []string
			o := logfile.NewObserver(g, logfile.ObserverOptions{Format: format, Buffer: 1000, Now: fixedClock, Warn: func(msg string, _ ...any) { warned = append(warned, msg) }})
			w := o.Writer("web", slog.LevelInfo)
			fmt.Fprint(w, "first")
			synctest.Wait() // the sink hangs with it
			for i := range 100 {
				fmt.Fprintf(w, "line %02d %050d", i, i)
			}
			lost := o.Stats().Dropped
			if lost < 10 || lost > 99 {
				t.Errorf("%d dropped", lost)
			}
			close(g.open)
			if err := o.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(w, "later")
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			text, want := g.String(), fmt.Sprintf("%d records dropped: buffer full", lost)
			if format == logfile.Raw {
				text += strings.Join(warned, "")
			}
			if strings.Count(text, want) != 1 || !strings.Contains(text, "later") {
				t.Errorf("%q does not say %q once", text, want)
			}
			fmt.Fprint(w, "after close")
			if got := o.Stats(); got.Dropped != lost+1 {
				t.Errorf("dropped %d, want %d", got.Dropped, lost+1)
			}
		})
	}
}

func TestErrorIsWrittenThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lockedBuffer
		o := logfile.NewObserver(&b, logfile.ObserverOptions{Format: logfile.Raw})
		defer o.Close()
		for i := range 3 {
			o.Logger("web").Error("bad")
			if n := strings.Count(b.String(), "bad"); n != i+1 {
				t.Errorf("%d records written when the %dth call returned", n, i+1)
			}
		}
	})
}

func TestErrorWithHangingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		o := logfile.NewObserver(g, logfile.ObserverOptions{})
		start := time.Now()
		for range 50 {
			o.Logger("web").Error("bad")
		}
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("50 errors waited %v for a sink that hangs, want 100ms", d)
		}
		if err := o.Close(); err == nil {
			t.Error("Close with a hanging sink returned nil")
		}
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("Close waited %v", d)
		}
		close(g.open)
	})
}

func TestFailingSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, full := newGate(), errors.New("disk full")
		close(g.open)
		g.fail(full)
		var fallback lockedBuffer
		o := logfile.NewObserver(g, logfile.ObserverOptions{Format: logfile.JSON, Fallback: &fallback})
		l := o.Logger("web")
		l.Error("kept")
		time.Sleep(5 * time.Second) // some attempts
		if err := o.Flush(t.Context()); !errors.Is(err, full) {
			t.Errorf("Flush = %v, want %v", err, full)
		}
		if s := fallback.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "disk full") {
			t.Errorf("fallback = %q, want one line", s)
		}
		g.fail(nil)
		time.Sleep(2 * time.Second) // heals without a record
		if s := g.String(); strings.Count(s, "kept") != 1 || !strings.Contains(s, "no record lost: disk full") {
			t.Errorf("log = %q", s)
		}
		g.fail(full)
		l.Info("given up")
		if err := o.Close(); !errors.Is(err, full) || !strings.Contains(err.Error(), "1 records lost") {
			t.Errorf("Close = %v", err)
		}
		if s := o.Stats(); s.Dropped != 1 || s.Written != 2 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

// shortWriter takes half of what it is given, twice.
type shortWriter struct {
	bytes.Buffer
	n int
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if w.n++; w.n <= 2 {
		n, _ := w.Buffer.Write(p[:len(p)/2])
		w.Buffer.WriteString("|\n")
		return n, io.ErrShortWrite
	}
	return w.Buffer.Write(p)
}

func TestShortWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &shortWriter{}
		o := logfile.NewObserver(w, logfile.ObserverOptions{Now: fixedClock})
		for i := range 20 {
			o.Logger("web").Info(fmt.Sprintf("record %02d\nmore", i))
		}
		time.Sleep(5 * time.Second)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if want := fmt.Sprintf("record %02d\n\tmore\n", i); !strings.Contains(w.String(), want) {
				t.Errorf("%q is missing", want)
			}
		}
		if s := o.Stats(); s.Written != 21 || s.Dropped != 0 {
			t.Errorf("Stats = %+v, want 20 records and the note about them", s)
		}
	})
}

func TestConcurrentRecords(t *testing.T) {
	var b lockedBuffer
	o := logfile.NewObserver(&b, logfile.ObserverOptions{Format: logfile.Raw})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			w, l := o.Writer("a", slog.LevelInfo), o.Logger("b")
			for range 500 {
				fmt.Fprintln(w, "access line")
				l.Info("log line")
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := errors.Join(o.Flush(ctx), o.Close(), o.Close(), o.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Count(s, "access line\n") != 4000 || strings.Count(s, "log line\n") != 4000 {
		t.Error("records are missing or torn")
	}
	if s := o.Stats(); s.Written != 8000 {
		t.Errorf("Stats = %+v", s)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb", "k v")
	f.Add("\x1b]0;x\a\u0085\xff", "\r\n")
	f.Fuzz(func(t *testing.T, msg, value string) {
		for _, format := range []logfile.Format{logfile.Text, logfile.JSON} {
			got := logged(t, logfile.ObserverOptions{Format: format}, func(o *logfile.Observer) {
				o.Logger("web").Info(msg, value, value)
				io.WriteString(o.Writer("web", slog.LevelInfo), msg)
			})
			records := strings.Count(got, "\n") - strings.Count(got, "\n\t")
			if records != 2 || strings.ContainsAny(got, "\x1b\x00\r\x7f") {
				t.Errorf("format %d: %q is %d records", format, got, records)
			}
			if line, _, _ := strings.Cut(got, "\n"); format == logfile.JSON && !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %q", line)
			}
		}
	})
}

func TestRecordWriter(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 16, 43, 5e6, time.Local)
	levels, err := logfile.ParseLevels("info,quiet=error")
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[logfile.Format]string{
		logfile.Text:    at.Format("2006-01-02T15:04:05-0700") + " [web#info] GET /\n",
		logfile.JSON:    `{"time":"` + at.Format("2006-01-02T15:04:05.000Z07:00") + `","level":"info","service":"web","msg":"GET /"}` + "\n",
		logfile.Console: "09:16:43  INFO   web  GET /\n",
		logfile.Raw:     "GET /\n",
	} {
		var out lockedBuffer
		o := logfile.NewObserver(&out, logfile.ObserverOptions{Format: format, Levels: levels})
		for _, service := range []string{"web", "quiet"} {
			w := o.Writer(service, slog.LevelInfo).(interface { // a plugins.RecordWriter
				Begin(at time.Time) ([]byte, bool)
				End(record []byte)
			})
			if b, ok := w.Begin(at); ok != (service == "web") {
				t.Errorf("format %d: Begin of %s = %v", format, service, ok)
			} else if ok {
				w.End(append(b, "GET /\n"...))
			}
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("format %d: log = %q, want %q", format, got, want)
		}
	}
}
