package ftp_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

const (
	sessions = 30 // sessions at once
	errands  = 20 // of each
	heavy    = "large"
	together = "together" // all store it
)

// member is one of many sessions: it has a directory of its own, and knows what must be in it.
type member struct {
	*traveller
	random *rand.Rand
	home   string
	files  map[string]string // by path
	dirs   map[string]bool
}

// TestManySessions has many sessions do this and that at once, whose answers each of them foresees. In the end there is what they
// have made, and nothing is left of them. What they do is the same in every run, and in which order they do it in none.
func TestManySessions(t *testing.T) {
	before, open := goleak.IgnoreCurrent(), openFiles(t)
	dir := t.TempDir()
	sparse(t, dir, heavy)
	want := map[string]string{}
	t.Run("sessions", func(t *testing.T) {
		srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--tls", "allow")
		var members []*member
		for i := range sessions {
			m := &member{
				traveller: travel(t, srv, way{private: i%3 == 0, active: i%2 == 0}), random: rand.New(rand.NewPCG(1, uint64(i))),
				home: fmt.Sprintf("/m%02d", i), files: map[string]string{}, dirs: map[string]bool{},
			}
			members = append(members, m)
		}
		var all sync.WaitGroup
		for _, m := range members {
			all.Go(m.live)
		}
		all.Wait()
		for _, m := range members {
			maps.Copy(want, m.files)
		}
		ended(t, srv)
	})
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".gtwistd-") || d.Name() == heavy {
			return err
		}
		content, err := os.ReadFile(name)
		got[filepath.ToSlash(strings.TrimPrefix(name, dir))] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	shared, ok := got["/"+together]
	if delete(got, "/"+together); !ok || len(shared) == 0 || strings.Trim(shared, shared[:1]) != "" || len(shared) != sharedSize {
		t.Errorf("%s is not what one of them has stored: %d bytes", together, len(shared))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(want[name]))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is nobody's", name)
		}
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
	if now := openFiles(t); !slices.Equal(now, open) {
		t.Errorf("open are %q, and were %q", now, open)
	}
}

// sharedSize is more than one piece of an upload, in clear or under TLS.
const sharedSize = 300_000

// openFiles describes what this process has open, as far as the system tells. Names of sockets and pipes are left out.
func openFiles(t testing.TB) (list []string) {
	t.Helper()
	found, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	for _, d := range found {
		target, err := os.Readlink("/proc/self/fd/" + d.Name())
		if err == nil && !strings.HasPrefix(target, "/proc/") {
			kind, _, _ := strings.Cut(target, ":")
			list = append(list, kind)
		}
	}
	slices.Sort(list)
	return list
}

// live does all that a member does.
func (m *member) live() {
	m.do("MKD "+m.home, "257")
	m.do("CWD "+m.home, "250")
	for range errands {
		m.errand()
	}
	m.list()
	m.do("QUIT", "221")
}

func (m *member) errand() {
	name := fmt.Sprintf("%s/f%d", m.home, m.random.IntN(4))
	content, exists := m.files[name]
	switch m.random.IntN(10) {
	case 0, 1:
		m.files[name] = m.content()
		m.store("STOR "+name, m.files[name])
	case 2:
		more := m.content()
		m.store("APPE "+path.Base(name), more)
		m.files[name] = content + more
	case 3:
		m.load(name, content, exists)
	case 4:
		m.remove(name, exists)
	case 5:
		m.move(name, content, exists)
	case 6:
		m.list()
	case 7:
		m.giveUp(name)
	case 8:
		m.store("STOR /"+together, strings.Repeat(string(rune('a'+m.random.IntN(26))), sharedSize))
	case 9:
		sub := m.home + "/d"
		if m.dirs[sub] = !m.dirs[sub]; m.dirs[sub] {
			m.do("MKD d", "257")
		} else {
			m.do("RMD d", "250")
		}
	}
}

// content is new, of any size.
func (m *member) content() string {
	size := []int{0, 1, 1000, 70_000, 300_000}[m.random.IntN(5)]
	return strings.Repeat(fmt.Sprintf("%016x", m.random.Uint64()), size/16+1)[:size]
}

func (m *member) load(name, content string, exists bool) {
	if !exists {
		m.refuse("RETR "+name, "550")
		return
	}
	from := m.random.IntN(len(content) + 1)
	m.do(fmt.Sprintf("REST %d", from), "350")
	if got := m.fetch("RETR " + name); got != content[from:] {
		m.t.Errorf("RETR %s = %d bytes, want %d", name, len(got), len(content)-from)
	}
}

func (m *member) remove(name string, exists bool) {
	if exists { // else it may be an upload that was broken off
		m.do("DELE "+name, "250")
		delete(m.files, name)
	}
}

func (m *member) move(name, content string, exists bool) {
	to := fmt.Sprintf("%s/f%d", m.home, m.random.IntN(4))
	if !exists {
		m.do("RNFR "+name, "550")
		return
	}
	m.do("RNFR "+name, "350")
	m.do("RNTO "+to, "250")
	delete(m.files, name)
	m.files[to] = content
}

// list compares what there is with what there must be.
func (m *member) list() {
	var want []string
	for name := range m.files {
		want = append(want, path.Base(name))
	}
	for name, there := range m.dirs {
		if there {
			want = append(want, path.Base(name))
		}
	}
	slices.Sort(want)
	got := strings.Fields(m.fetch("NLST"))
	if !slices.Equal(got, want) {
		m.t.Errorf("NLST of %s = %q, want %q", m.home, got, want)
	}
	if lines := strings.Count(m.fetch("MLSD"), "\n"); lines != len(want) {
		m.t.Errorf("MLSD of %s has %d lines, want %d", m.home, lines, len(want))
	}
}

// giveUp breaks a transfer off, in one way or another. What was there stays.
func (m *member) giveUp(name string) {
	upload := m.random.IntN(2) == 0
	line := "RETR /" + heavy
	if upload {
		line = "STOR " + name
	}
	data := m.begin(line)
	conn := m.over(data)
	var err error
	if upload {
		_, err = io.Copy(conn, bytes.NewReader(make([]byte, 10_000)))
	} else {
		_, err = io.ReadFull(conn, make([]byte, 10_000))
	}
	if err != nil {
		m.t.Errorf("%s: %v", line, err)
	}
	if m.random.IntN(2) == 0 {
		m.do("ABOR", "426")
		m.want("226")
	} else {
		_ = data.SetLinger(0)
		_ = data.Close()
		m.want("426")
	}
	_ = data.Close()
}
