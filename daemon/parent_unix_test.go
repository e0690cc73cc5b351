//go:build unix

package daemon

import (
	"os"
	"testing"
	"time"
)

// A killed parent may close its end of the pipe after its children have another parent; one that stays is none that was killed.
func TestBreaks(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		if leaves {
			time.AfterFunc(50*time.Millisecond, func() { r.Close() }) // after the first look
		}
		if got := breaks(int(w.Fd())); got != leaves {
			t.Errorf("breaks = %v, if the reader leaves: %v", got, leaves)
		}
	}
}
