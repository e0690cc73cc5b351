package ftp_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

func TestGoClient(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "0123456789", "sub/b.txt": "b", "with space": "s"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable")
	c := login(t, srv)

	list, err := c.List("/")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, "|"); got != "a.txt|sub|with space" {
		t.Errorf("List = %s", got)
	}
	r, err := c.RetrFrom("a.txt", 4)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "456789" || err != nil {
		t.Errorf("RetrFrom = %q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	if err := c.Stor("sub/new", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "sub", "new")); !bytes.Equal(got, content) || err != nil {
		t.Errorf("stored %d bytes, %v, want %d", len(got), err, len(content))
	}
	if err := c.StorFrom("a.txt", strings.NewReader("abc"), 4); err != nil {
		t.Fatal(err)
	}
	if err := c.Append("a.txt", strings.NewReader("def")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(got) != "0123abcdef" || err != nil {
		t.Errorf("a.txt = %q, %v", got, err)
	}
	if err := c.Rename("a.txt", "c.txt"); err != nil {
		t.Error(err)
	}
	if err := c.Delete("c.txt"); err != nil {
		t.Error(err)
	}
	if err := c.MakeDir("d"); err != nil {
		t.Error(err)
	}
	if err := c.RemoveDir("d"); err != nil {
		t.Error(err)
	}
	if n, err := c.FileSize("sub/new"); n != int64(len(content)) || err != nil {
		t.Errorf("FileSize = %d, %v", n, err)
	}
	if _, err := c.Retr("nowhere"); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("Retr = %v", err)
	}
}
