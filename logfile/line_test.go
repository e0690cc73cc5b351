package logfile

import (
	"bytes"
	"testing"
)

func TestPrintable(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				p := bytes.Repeat([]byte{'~'}, n)
				p[at] = byte(c)
				if got, want := printable(p), c >= 0x20 && c < 0x7f; got != want {
					t.Fatalf("printable(%q) = %v, want %v", p, got, want)
				}
			}
		}
	}
}
