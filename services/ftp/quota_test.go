package ftp_test

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

const kilo = 1000

// begin starts an upload of content and returns its connection, once the server has the file open.
func begin(t *testing.T, c *raw, line, content string) *net.TCPConn {
	t.Helper()
	data := c.pasv()
	c.do(line, "150")
	if _, err := io.WriteString(data, content); err != nil {
		t.Fatal(err)
	}
	return data
}

// end lets an upload end.
func end(c *raw, data net.Conn, want string) {
	c.t.Helper()
	_ = data.Close()
	c.want(want)
}

// full says that a user with that quota, whose root dir is, can store exactly what is missing from it.
func full(t *testing.T, srv *plugintest.Server, dir string, quota int) {
	t.Helper()
	c := enter(t, srv, "alice", password, "230")
	stored := 0
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			stored += int(info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if stored > quota {
		t.Fatalf("%d bytes are stored, more than the quota of %d", stored, quota)
	}
	refused(t, c, "STOR over", strings.Repeat("o", quota-stored+1), "552")
	if rest := quota - stored; rest > 0 {
		if _, err := os.Lstat(filepath.Join(dir, "over")); err == nil { // it was written in place
			c.do("DELE over", "250")
		}
		c.put("STOR rest", strings.Repeat("r", rest))
		c.do("DELE rest", "250")
	}
}

// TestQuotaIsExact lets several sessions of a user upload, replace, rename and delete the same files in every order that has
// given bytes back twice, or never.
func TestQuotaIsExact(t *testing.T) {
	const quota = 1000 * kilo
	x := func(kilos int) string { return strings.Repeat("x", kilos*kilo) }
	tests := []struct {
		name, mode string
		do         func(t *testing.T, a, b *raw, dir string)
	}{
		{"replaced by two", "atomic", func(t *testing.T, a, b *raw, _ string) {
			a.put("STOR keep", x(400))
			a.put("STOR x", x(600))
			first, second := begin(t, a, "STOR x", ""), begin(t, b, "STOR x", "")
			end(a, first, "226")
			end(b, second, "226")
		}},
		{"renamed away while it is replaced", "atomic", func(t *testing.T, a, b *raw, _ string) {
			a.put("STOR x", x(600))
			data := begin(t, a, "STOR x", "")
			b.do("RNFR x", "350")
			b.do("RNTO moved", "250")
			end(a, data, "226")
			a.put("STOR more", x(400))
		}},
		{"deleted while it is replaced", "atomic", func(t *testing.T, a, b *raw, _ string) {
			a.put("STOR x", x(600))
			data := begin(t, a, "STOR x", x(1))
			b.do("DELE x", "250")
			end(a, data, "226")
			a.put("STOR keep", x(900))
		}},
		{"two upload the same new name", "atomic", func(t *testing.T, a, b *raw, _ string) {
			first, second := begin(t, a, "STOR x", x(300)), begin(t, b, "STOR x", x(300))
			end(a, first, "226")
			end(b, second, "226")
		}},
		{"renamed to itself", "atomic", func(t *testing.T, a, _ *raw, _ string) {
			a.put("STOR x", x(900))
			for range 3 {
				a.do("RNFR x", "350")
				a.do("RNTO x", "250")
			}
		}},
		{"renamed to itself by another way", "atomic", func(t *testing.T, a, _ *raw, dir string) {
			a.do("MKD d", "257")
			if err := os.Symlink("d", filepath.Join(dir, "e")); err != nil {
				t.Skip(err)
			}
			a.put("STOR d/x", x(900))
			a.do("RNFR d/x", "350")
			a.do("RNTO e/x", "250")
		}},
		{"renamed to its other name", "atomic", func(t *testing.T, a, _ *raw, dir string) {
			a.put("STOR x", x(300))
			if err := os.Link(filepath.Join(dir, "x"), filepath.Join(dir, "y")); err != nil {
				t.Skip(err)
			}
			a.do("RNFR x", "350")
			a.do("RNTO y", "250")
			if err := os.Remove(filepath.Join(dir, "y")); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link is removed or replaced", "atomic", func(t *testing.T, a, _ *raw, dir string) {
			a.put("STOR x", x(900))
			for _, name := range []string{"l", "m"} {
				if err := os.Symlink("x", filepath.Join(dir, name)); err != nil {
					t.Skip(err)
				}
			}
			a.do("DELE l", "250")
			a.put("STOR m", x(1))
		}},
		{"broken off, taken up, replaced", "atomic", func(t *testing.T, a, b *raw, _ string) {
			data := begin(t, a, "STOR x", x(300))
			_ = data.SetLinger(0)
			end(a, data, "426")
			size := strings.TrimPrefix(a.do("SIZE x", "213"), "213 ")
			a.do("REST "+size, "350")
			a.put("STOR x", x(100))
			a.do("REST 50000", "350")
			a.put("STOR x", x(10))
		}},
		{"a copy that does not fit", "atomic", func(t *testing.T, a, _ *raw, _ string) {
			a.put("STOR x", x(600))
			a.do("REST 500000", "350")
			_ = a.pasv()
			a.do("STOR x", "552")
		}},
		{"appended by two", "atomic", func(t *testing.T, a, b *raw, _ string) {
			a.put("STOR x", x(100))
			data := begin(t, a, "APPE x", x(100))
			_ = b.pasv()
			b.do("APPE x", "450")
			end(a, data, "226")
			b.put("APPE x", x(100))
		}},
		{"appended to, deleted and replaced", "atomic", func(t *testing.T, a, b *raw, _ string) {
			for _, by := range []string{"DELE", "STOR", "RNTO"} {
				a.put("STOR x", x(100))
				data := begin(t, a, "APPE x", x(200))
				switch by {
				case "DELE":
					b.do("DELE x", "250")
				case "STOR":
					b.put("STOR x", x(50))
				case "RNTO":
					b.put("STOR y", x(60))
					b.do("RNFR y", "350")
					b.do("RNTO x", "250")
				}
				_, _ = io.WriteString(data, x(100))
				end(a, data, "451")
			}
		}},
		{"emptied while it is written", "direct", func(t *testing.T, a, b *raw, _ string) {
			a.put("STOR keep", x(500))
			data := begin(t, a, "STOR x", x(400))
			for range 3 {
				_ = b.pasv()
				b.do("STOR x", "450")
				_, _ = io.WriteString(data, "1")
			}
			end(a, data, "226")
			a.put("STOR x", "")
			a.put("STOR x", x(450))
		}},
		{"deleted while it is written", "direct", func(t *testing.T, a, b *raw, _ string) {
			for range 3 {
				data := begin(t, a, "STOR x", x(400))
				b.do("DELE x", "250")
				b.put("STOR x", x(10))
				_, _ = io.WriteString(data, x(100))
				end(a, data, "451")
			}
		}},
		{"renamed while it is written", "direct", func(t *testing.T, a, b *raw, _ string) {
			data := begin(t, a, "STOR x", x(400))
			b.do("RNFR x", "350")
			b.do("RNTO y", "250")
			_, _ = io.WriteString(data, x(100))
			end(a, data, "226")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, dir, _ := withAlice(t, fmt.Sprintf("quota = %d\n", quota), "--upload", tt.mode)
			tt.do(t, enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230"), dir)
			full(t, srv, dir, quota)
		})
	}
}

// TestMaxFiles says that files and directories are counted exactly, and that what is one too many leaves nothing behind.
func TestMaxFiles(t *testing.T) {
	for _, mode := range []string{"atomic", "direct"} {
		t.Run(mode, func(t *testing.T) {
			srv, dir, _ := withAlice(t, "max-files = 3\n", "--upload", mode)
			a, b := enter(t, srv, "alice", password, "230"), enter(t, srv, "alice", password, "230")
			a.put("STOR x", "precious")
			a.do("MKD d", "257")
			a.do("MKD d", "550") // counts nothing
			a.put("STOR d/y", "y")
			for range 3 {
				_ = a.pasv()
				a.do("STOR d/z", "552")
				a.do("MKD e", "552")
			}
			if found, err := os.ReadDir(filepath.Join(dir, "d")); len(found) != 1 {
				t.Errorf("%d files in d, %v, want 1", len(found), err)
			}
			a.do("DELE d/y", "250")
			a.put("STOR d/y", "y")
			a.put("APPE d/y", "y")
			a.do("RNFR d/y", "350")
			a.do("RNTO d/y", "250")
			_ = a.pasv()
			a.do("STOR d/z", "552")
			a.do("RNFR d/y", "350")
			a.do("RNTO x", "250") // replaces
			a.do("RMD d", "250")
			if mode == "atomic" {
				first, second := begin(t, a, "STOR one", "1"), begin(t, b, "STOR one", "2")
				end(a, first, "226")
				end(b, second, "226")
			} else {
				a.put("STOR one", "1")
				a.put("STOR one", "2")
			}
			a.do("MKD two", "257")
			a.do("MKD three", "552")
			if found, err := os.ReadDir(dir); len(found) != 3 {
				t.Errorf("%d names, %v, want 3", len(found), err)
			}
		})
	}
}

// TestQuotaInDisorder lets sessions do what comes to their minds to the same few files, all at once.
func TestQuotaInDisorder(t *testing.T) {
	const quota, sessions, steps = 300 * kilo, 5, 60
	for seed, mode := range []string{"atomic", "direct"} {
		t.Run(mode, func(t *testing.T) {
			srv, dir, _ := withAlice(t, fmt.Sprintf("quota = %d\nmax-files = 30\n", quota), "--upload", mode)
			var work sync.WaitGroup
			for i := range sessions {
				c, dice := enter(t, srv, "alice", password, "230"), rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				work.Go(func() {
					for range steps {
						disorder(c, dice)
					}
				})
			}
			work.Wait()
			c := enter(t, srv, "alice", password, "230")
			full(t, srv, dir, quota)
			// As many files as there may be.
			names := 0
			_ = filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { names++; return nil })
			for ; names <= 30; names++ {
				c.do(fmt.Sprint("MKD more", names), "257")
			}
			c.do("MKD most", "552")
		})
	}
}

// disorder does something at random, whatever comes of it.
func disorder(c *raw, dice *rand.Rand) {
	names := []string{"a", "b", "c", "d/a", "d/b", "d", "e"}
	name := func() string { return names[dice.IntN(len(names))] }
	switch dice.IntN(9) {
	case 0:
		c.send("DELE " + name())
	case 1:
		c.send("MKD " + name())
	case 2:
		c.send("RMD " + name())
	case 3:
		c.send("RNFR " + name())
		if c.answer()[0] != '3' {
			return
		}
		c.send("RNTO " + name())
	default:
		verb := []string{"STOR ", "STOR ", "STOR ", "APPE "}[dice.IntN(4)]
		data := c.pasv()
		defer data.Close()
		c.send(verb + name())
		if c.answer()[0] != '1' {
			return
		}
		for range dice.IntN(4) {
			_, _ = data.Write(make([]byte, dice.IntN(40*kilo))) // the server may hang up
		}
		if dice.IntN(5) == 0 {
			_ = data.SetLinger(0)
		}
		_ = data.Close()
	}
	c.answer()
}
