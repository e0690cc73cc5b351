package ftp_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// copying is a pool that stops after the call that has written the first bytes of a part.
type copying struct {
	plugins.Pool
	dir          string
	begun, goOn  chan struct{}
	once         sync.Once
	mu           sync.Mutex
	first, later int64 // the size of the part then, and later at most
}

// Do implements plugins.Pool.
func (p *copying) Do(ctx context.Context, fn func() error) error {
	return p.Pool.Do(ctx, func() error {
		err := fn()
		parts, _ := filepath.Glob(filepath.Join(p.dir, ".gtwistd-*"))
		if len(parts) == 0 {
			return err
		}
		info, statErr := os.Stat(parts[0])
		if statErr != nil || info.Size() == 0 {
			return err
		}
		p.once.Do(func() {
			p.first = info.Size()
			close(p.begun)
			<-p.goOn
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		p.later = max(p.later, info.Size())
		return err
	})
}

// TestCopyEnds says that an upload that goes on within a large file is not prepared for longer than somebody wants it.
func TestCopyEnds(t *testing.T) {
	const size, offset = 48 << 20, 40 << 20 // more than two pieces
	for name, answers := range map[string][]string{"ABOR": {"426", "226"}, "stop": {"425", "421"}} {
		t.Run(name, func(t *testing.T) {
			host := plugintest.NewHost(t, "ftp")
			dir := t.TempDir()
			pool := &copying{Pool: host.Env.Pool, dir: dir, begun: make(chan struct{}), goOn: make(chan struct{})}
			host.Env.Pool = pool
			file := filepath.Join(dir, "f")
			write(t, file, "")
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
			_, stop, wait := launch(t, host, "--root", dir, "--writable")
			c := enterAt(t, host.Addrs()[0])
			addr := fmt.Sprintf("127.0.0.1:%d", c.passivePort("EPSV"))
			c.do(fmt.Sprintf("REST %d", offset), "350")
			c.send("STOR f")
			<-pool.begun
			if name == "ABOR" {
				c.send("ABOR")
			} else {
				stop()
			}
			until(t, "the port is closed", func() bool {
				conn, err := net.Dial("tcp", addr)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			close(pool.goOn)
			for _, want := range answers {
				c.want(want)
			}
			stop()
			wait()
			if pool.later > pool.first {
				t.Errorf("%d bytes were copied, %d of them for nobody", pool.later, pool.later-pool.first)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".gtwistd-*")); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
