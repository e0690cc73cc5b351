package logfile_test

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/gtwistd/gtwistd/logfile"
)

const accessLine = `127.0.0.1 - - [20/Nov/2026:09:16:43 +0000] "GET /index.html HTTP/1.1" 200 5120 "-" "curl/8.5.0"`

func BenchmarkWriter(b *testing.B) {
	for name, format := range map[string]logfile.Format{"text": logfile.Text, "raw": logfile.Raw, "json": logfile.JSON} {
		b.Run(name, func(b *testing.B) {
			o := logfile.NewObserver(io.Discard, logfile.ObserverOptions{Format: format})
			defer o.Close()
			w, line := o.Writer("web", slog.LevelInfo), []byte(accessLine)
			b.ReportAllocs()
			for b.Loop() {
				w.Write(line)
			}
		})
	}
}

func BenchmarkLogger(b *testing.B) {
	for name, format := range map[string]logfile.Format{"text": logfile.Text, "json": logfile.JSON} {
		b.Run(name, func(b *testing.B) {
			o := logfile.NewObserver(io.Discard, logfile.ObserverOptions{Format: format})
			defer o.Close()
			l := o.Logger("web").With("listener", "tcp:8080")
			b.ReportAllocs()
			for b.Loop() {
				l.Info("request served", "path", "/index.html", "bytes", 5120)
			}
		})
	}
}

// BenchmarkToFile includes the disk: dropped records are reported, for a buffer that is always full would be fast.
func BenchmarkToFile(b *testing.B) {
	f, err := logfile.Open(filepath.Join(b.TempDir(), "x.log"), logfile.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	o := logfile.NewObserver(f, logfile.ObserverOptions{})
	defer o.Close()
	w, line := o.Writer("web", slog.LevelInfo), []byte(accessLine)
	b.ReportAllocs()
	for b.Loop() {
		w.Write(line)
	}
	b.ReportMetric(float64(o.Stats().Dropped)/float64(b.N), "dropped/op")
}
