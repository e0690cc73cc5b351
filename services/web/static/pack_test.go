package static

import (
	"archive/zip"
	"bytes"
	"testing"
	"time"
)

// TestZipHasNoBackslashes says that no name leads out of where it is unpacked, by whoever takes backslashes for slashes.
func TestZipHasNoBackslashes(t *testing.T) {
	var b bytes.Buffer
	p := newZip(&b)
	if err := p.addDir(`top/d\..\/`, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.addFile(`top/a\..\..\evil.txt`, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"top/d_.._/", "top/a_.._.._evil.txt"} {
		if got := z.File[i].Name; got != want {
			t.Errorf("name %d is %q, want %q", i, got, want)
		}
	}
}
