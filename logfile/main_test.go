package logfile_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/logfile"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("LOGFILE_TEST_WRITER"); path != "" {
		if err := writeLines(path, os.Getenv("LOGFILE_TEST_NAME")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Lumberjack's clean-up goroutine never ends (its issue 56).
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

// writeLines is another process: it writes 2000 lines, rotating at a small size.
func writeLines(path, name string) error {
	f, err := logfile.Open(path, logfile.Options{RotateSize: 4096})
	if err != nil {
		return err
	}
	for i := range 2000 {
		if _, err := fmt.Fprintf(f, "%s %d\n", name, i); err != nil {
			return err
		}
	}
	return f.Close()
}

// canceled returns a context that is done.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// lockedBuffer is a sink that can be read while it is written to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
