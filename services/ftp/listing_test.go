package ftp_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// crowd fills a directory with n names, in no order, all of few files.
func crowd(t *testing.T, dir string, n int, tail string) {
	t.Helper()
	const linksOfOne = 30_000 // file systems have a limit
	var of string
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("f%06d%s", i*7919%n, tail))
		if i%linksOfOne == 0 {
			of = name
			if err := os.WriteFile(name, []byte("12345"), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Link(of, name); err != nil {
			t.Skip(err)
		}
	}
}

// TestManyEntries says that all of 100,000 entries are there, in order, however they are asked for.
func TestManyEntries(t *testing.T) {
	const n = 100_000
	dir := t.TempDir()
	crowd(t, dir, n, "")
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	for _, verb := range []string{"LIST", "NLST", "MLSD", "LIST *9", "NLST f*"} {
		every := 1
		if verb == "LIST *9" {
			every = 10
		}
		got := strings.Split(strings.TrimSuffix(c.get(verb), "\r\n"), "\r\n")
		if len(got) != n/every {
			t.Errorf("%s: %d lines, want %d", verb, len(got), n/every)
			continue
		}
		for i, line := range got {
			if want := fmt.Sprintf("f%06d", i*every+every-1); !strings.HasSuffix(line, want) {
				t.Errorf("%s: line %d is %q, want %s", verb, i, line, want)
				break
			}
		}
	}
	c.do("STAT /", "450")
}

// TestUnreadListings says that clients who do not take what they asked for cost little, and that the room for the names of
// others is not theirs: names are all there then, but not in order.
func TestUnreadListings(t *testing.T) {
	const n, tail, sessions = 3000, 200, 60
	dir := t.TempDir()
	crowd(t, dir, n, strings.Repeat("x", tail))
	srv := plugintest.Start(t, ftp.PluginWithRoom(1<<20), "--listen", anyPort, "--root", dir)
	before := heap()
	for range sessions {
		c := anonymous(t, srv)
		_ = c.pasv().SetReadBuffer(4096)
		c.do("LIST", "150")
	}
	c := anonymous(t, srv)
	got := strings.Split(strings.TrimSuffix(c.get("NLST"), "\r\n"), "\r\n")
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != n {
		t.Errorf("NLST: %d names, want %d", len(got), n)
	}
	// What is sent at once, its buffers, and the room for names that each session has.
	if used := heap() - before; used > sessions*(400<<10)+2<<20 {
		t.Errorf("%d unread listings keep %d bytes", sessions, used)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestListedTimes says how times are shown.
func TestListedTimes(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	for name, at := range map[string]time.Time{
		"a": now, "b": now.Add(-23 * time.Hour), "c": now.AddDate(-1, 0, 0), "d": now.AddDate(1, 0, 0), "e": time.Unix(0, 0),
		"f": time.Date(1969, 12, 31, 23, 59, 58, 0, time.UTC), "g": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "h": now.AddDate(0, -1, 0),
		"i": now.AddDate(0, 0, -181), "j": now.AddDate(0, 0, 20),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Skip(err)
		}
	}
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	list, facts := strings.Split(c.get("LIST"), "\r\n"), strings.Split(c.get("MLSD"), "\r\n")
	stat := c.do("STAT /", "212-")
	for i, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		at, layout := info.ModTime().UTC(), "Jan _2 15:04"
		if age := now.Sub(at); age > 182*24*time.Hour || age < -182*24*time.Hour {
			layout = "Jan _2  2006"
		}
		if want := "-rw-r----- 1 ftp ftp            0 " + at.Format(layout) + " " + name; list[i] != want {
			t.Errorf("LIST: %q, want %q", list[i], want)
		}
		if got := c.get("LIST " + name); got != list[i]+"\r\n" {
			t.Errorf("LIST %s: %q, want %q as in the directory", name, got, list[i])
		}
		if got := c.do("STAT "+name, "213-"); !strings.Contains(got, "\r\n "+list[i]+"\r\n213 ") {
			t.Errorf("STAT %s: %q, want %q as in the directory", name, got, list[i])
		}
		if !strings.Contains(stat, "\r\n "+list[i]+"\r\n") {
			t.Errorf("STAT: %q, want %q in it", stat, list[i])
		}
		if want := "Type=file;Size=0;Modify=" + at.Format("20060102150405") + "; " + name; facts[i] != want {
			t.Errorf("MLSD: %q, want %q", facts[i], want)
		}
	}
}

// TestListingFollows says that whatever clients change is in the next listing, also of a directory so large that listings are
// kept for a moment. It goes through all that clients can change.
func TestListingFollows(t *testing.T) {
	for _, way := range []string{"atomic", "direct"} {
		t.Run(way, func(t *testing.T) { listingFollows(t, way) })
	}
}

func listingFollows(t *testing.T, upload string) {
	dir := t.TempDir()
	crowd(t, dir, 1500, "")
	srv := plugintest.Start(t, ftp.PluginWithShelf(), "--listen", anyPort, "--root", dir, "--writable", "--upload", upload)
	c, other := anonymous(t, srv), anonymous(t, srv)
	type step struct {
		do         func()
		line, fact string // what is said of new
		gone       string // is not there any more
	}
	steps := []step{
		{do: func() { c.put("STOR new", "12") }, line: "           2 ", fact: "Size=2;", gone: " nothing\r\n"},
		{do: func() { c.put("APPE new", "345") }, line: "           5 ", fact: "Size=5;"},
		{do: func() { c.put("STOR new", "7") }, line: "           1 ", fact: "Size=1;"},
		{do: func() { c.do("REST 1", "350"); c.put("STOR new", "89") }, line: "           3 ", fact: "Size=3;"},
		{do: func() { c.do("MFMT 20010203040506 new", "213") }, line: "Feb  3  2001 ", fact: "Modify=20010203040506;"},
		{do: func() { c.do("SITE UTIME 20020103040506 new", "200") }, line: "Jan  3  2002 ", fact: "Modify=20020103040506;"},
		{do: func() { c.do("SITE CHMOD 640 new", "200") }, line: "-rw-r----- "},
		{do: func() { c.do("DELE f000007", "250") }, gone: " f000007\r\n"},
		{do: func() { c.do("RNFR f000008", "350"); c.do("RNTO moved", "250") }, gone: " f000008\r\n"},
		{do: func() { c.do("MKD d", "257") }},
		{do: func() { c.do("RMD d", "250") }, gone: " d\r\n"},
	}
	if upload == "atomic" {
		steps = append(steps, step{do: func() { breakOff(t, c, dir, "STOR half", "123") }}, step{do: func() { c.do("DELE half", "250") }, gone: " half\r\n"})
	}
	for _, step := range steps {
		for range 2 { // the second may come from the shelf
			_, _ = other.get("LIST"), other.get("MLSD")
		}
		step.do()
		list, facts := other.get("LIST"), other.get("MLSD")
		if step.gone != "" && (strings.Contains(list, step.gone) || strings.Contains(facts, step.gone)) {
			t.Errorf("%q is still there", step.gone)
		}
		for text, want := range map[string]string{list: step.line, facts: step.fact} {
			i := strings.Index(text, " new\r\n")
			if i < 0 {
				t.Fatalf("new is not there")
			}
			if line := text[strings.LastIndexByte(text[:i], '\n')+1 : i+1]; !strings.Contains(line, want) {
				t.Errorf("line %q, want %q in it", line, want)
			}
		}
	}
}

// TestShelfIsBounded says that a listing has its room until nobody sends it any more, whatever changes meanwhile: clients that
// take nothing would hold one after the other.
func TestShelfIsBounded(t *testing.T) {
	var hold atomic.Bool
	begun, goOn := make(chan struct{}), make(chan struct{})
	moved := func(bool, int) {
		if hold.Load() {
			begun <- struct{}{}
			<-goOn
		}
	}
	dir := t.TempDir()
	crowd(t, dir, 1500, "")
	srv := plugintest.Start(t, ftp.WatchedShelf(moved), "--listen", anyPort, "--root", dir, "--writable")
	c, other := anonymous(t, srv), anonymous(t, srv)
	other.get("LIST")
	kept := ftp.OnShelf(srv.Service)
	if kept == 0 {
		t.Fatal("nothing is kept")
	}
	data := c.pasv()
	hold.Store(true)
	c.do("LIST", "150")
	<-begun
	hold.Store(false)
	other.do("MKD d", "257")
	if used := ftp.OnShelf(srv.Service); used != kept {
		t.Errorf("%d bytes of room are used while %d are being sent", used, kept)
	}
	close(goOn)
	if got, err := io.ReadAll(data); strings.Count(string(got), "\n") != 1500 || err != nil {
		t.Errorf("LIST = %d bytes, %v", len(got), err)
	}
	c.want("226")
	if used := ftp.OnShelf(srv.Service); used != 0 {
		t.Errorf("%d bytes of room are used in the end", used)
	}
}
