package ftp_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// withAlice starts a server with a user alice, whose table that is, and returns it with her root and the file.
func withAlice(t *testing.T, table string, args ...string) (srv *plugintest.Server, dir, file string) {
	t.Helper()
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "users.toml")
	write(t, file, "[users.alice]\n"+table)
	args = append([]string{"--listen", anyPort, "--root", dir, "--writable", "--auth", passwords(t, "alice", "bob"), "--users", file}, args...)
	return plugintest.Start(t, ftp.Plugin(), args...), dir, file
}

func TestQuota(t *testing.T) {
	srv, dir, _ := withAlice(t, "quota = 100\n[users.alice.paths]\n\"/kept\" = [\"list\", \"download\", \"create\"]\n\"/unseen\" = [\"download\"]\n")
	for _, sub := range []string{"kept", "unseen"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := enter(t, srv, "alice", password, "230")
	x := func(n int) string { return strings.Repeat("x", n) }
	c.put("STOR a", x(60))
	refused(t, c, "STOR b", x(60), "552 Quota exceeded.")
	if _, err := os.Stat(filepath.Join(dir, "b")); err == nil {
		t.Error("a file beyond the quota has its name")
	}
	c.do("SIZE b", "550") // a part would fill the quota, and could never be gone on with
	c.do("DELE a", "250")
	c.put("STOR a", x(40))
	c.put("STOR a", x(50))
	if got := c.get("RETR a"); got != x(50) {
		t.Errorf("RETR = %d bytes", len(got))
	}
	c.put("STOR kept/f", x(10))
	_ = c.pasv()
	c.do("STOR kept/f", "550")
	c.do("DELE kept/f", "550")
	c.do("LIST unseen", "550")
	refused(t, c, "STOR rest", x(41), "552")
	c.put("STOR rest", x(40))
}

// TestBandwidth says that a transfer moves no more at once than its user's bandwidth allows, and that a limit that a reload
// removes is gone in a transfer that has begun. At a byte a second the first piece is paid for after minutes.
func TestBandwidth(t *testing.T) {
	const piece, all = 512, 100 << 10
	content := strings.Repeat("x", all)
	for _, upload := range []bool{true, false} {
		t.Run(fmt.Sprint("upload ", upload), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users.toml")
			write(t, file, "[anonymous]\nupload-bandwidth = 1\ndownload-bandwidth = 1\n")
			pieces := make(chan int, all)
			srv := plugintest.Start(t, ftp.Watched(func(_ bool, n int) { pieces <- n }), "--listen", anyPort,
				"--root", directory(t, map[string]string{"a": content}), "--writable", "--users", file)
			c := anonymous(t, srv)
			var data *net.TCPConn
			if upload {
				data = begin(t, c, "STOR f", content)
			} else {
				data = begin(t, c, "RETR a", "")
			}
			if n := <-pieces; n != piece {
				t.Errorf("%d bytes were moved at once, want %d", n, piece)
			}
			c.do("STAT", "211") // the transfer goes on
			if n := len(pieces); n > 0 {
				t.Errorf("%d pieces more were moved", n)
			}
			write(t, file, "")
			if err := srv.Service.(plugins.Reloader).Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if upload {
				_ = data.Close()
			} else if got, err := io.ReadAll(data); string(got) != content || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			c.want("226")
			if upload {
				c.do("SIZE f", fmt.Sprint("213 ", all))
			}
		})
	}
}
