package live_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gtwistd/gtwistd/services/web/live"
)

const limitVariable = "GTWISTD_TEST_LIMIT"

// TestLimit runs TestUnderLimit where only three directories can be watched: in a user namespace of its own, as the limit
// is of a user.
func TestLimit(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUnderLimit$", "-test.v")
	cmd.Env = append(os.Environ(), limitVariable+"=3", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 || bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("no user namespace here: %v %s", err, out)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestUnderLimit")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestUnderLimit(t *testing.T) {
	limit := os.Getenv(limitVariable)
	if limit == "" {
		t.Skip("runs as part of TestLimit")
	}
	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte(limit), 0); err != nil {
		t.Skip(err)
	}
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("%d/page.html", i)] = "<p>one"
	}
	var log lockedBuffer
	s := serve(t, files, func(c *live.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, false)
	b, _ := s.connect(t, "")
	s.write(t, "4/page.html", "<p>two two")
	b.want(t, "page")
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "looked at every 1s") || !strings.Contains(got, "limit: fs.inotify.max_user_watches") {
		t.Errorf("log = %s\nwant one line on the limit", got)
	}
	if got := s.live.Report().Value.String(); got != "looking at the files every 1s" {
		t.Errorf("Report() = %s", got)
	}
}

// lockedBuffer is safe for concurrent use.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
