package ftp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestQuiet gives the library's log what it writes of a client once it is told to debug.
func TestQuiet(t *testing.T) {
	const password = "s3cret-w0rd"
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var out bytes.Buffer
		log := slog.New(quiet{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})}).With("clientId", 1).WithGroup("g")
		log.Debug("Received line", "line", "PASS "+password)
		log.Debug("Sending answer", "line", "230 "+password)
		log.Warn("Answer couldn't be sent", "line", "331 "+password, "err", "broken pipe")
		log.Warn("Internal command handling error", "err", "a bug", "command", "PASS", "param", password)
		log.Error("Network error", "err", "timeout")
		got := out.String()
		if strings.Contains(got, password) || strings.Contains(got, "Received line") {
			t.Errorf("at %v the log has\n%s", level, got)
		}
		for _, want := range []string{`msg="library: Network error" clientId=1`, "broken pipe"} {
			if strings.Contains(got, want) != (level == slog.LevelDebug) {
				t.Errorf("at %v the log has\n%swant %q at debug only", level, got, want)
			}
		}
		for _, want := range []string{`level=ERROR msg="library: Internal command handling error"`, "g.err=\"a bug\"", "g.command=PASS"} {
			if !strings.Contains(got, want) {
				t.Errorf("at %v the log has\n%swant %q", level, got, want)
			}
		}
		if strings.Contains(got, "level=WARN") || strings.Count(got, "level=ERROR") != 1 {
			t.Errorf("the library's words are more than debug:\n%s", got)
		}
	}
}
