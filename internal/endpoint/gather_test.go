package endpoint

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
)

// sink remembers the size of each write.
type sink struct {
	sizes []int
	all   []byte
	err   error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.sizes = append(s.sizes, len(p))
	s.all = append(s.all, p...)
	return len(p), nil
}

func TestGathering(t *testing.T) {
	for _, tt := range []struct {
		name         string
		writes, want []int
	}{
		{"nothing", nil, nil},
		{"less than the buffer", []int{3, 4}, []int{7}},
		{"as much as the buffer", []int{5, 5}, []int{10}},
		{"more than the buffer", []int{5, 5, 1}, []int{10, 1}},
		{"no write is cut", []int{6, 6, 6}, []int{6, 6, 6}},
		{"one larger than the buffer", []int{2, 11, 3}, []int{2, 11, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := &sink{}
			g := &gathering{to: to, buf: make([]byte, 0, 10)}
			var want []byte
			for i, size := range tt.writes {
				p := bytes.Repeat([]byte{byte('a' + i)}, size)
				want = append(want, p...)
				if n, taken, err := g.write(p); n != size || !taken || err != nil {
					t.Fatalf("write of %d = %d, %v, %v", size, n, taken, err)
				}
			}
			if err := g.end(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(to.sizes, tt.want) || !bytes.Equal(to.all, want) {
				t.Errorf("wrote %v %q, want %v %q", to.sizes, to.all, tt.want, want)
			}
			if _, taken, _ := g.write([]byte("late")); taken {
				t.Error("what was written after the end was kept")
			}
		})
	}
}

func TestGatheringFails(t *testing.T) {
	broken := errors.New("broken")
	g := &gathering{to: &sink{err: broken}, buf: make([]byte, 0, 10)}
	_, _, first := g.write(make([]byte, 8))
	n, _, second := g.write(make([]byte, 8))
	if first != nil || n != 0 || !errors.Is(second, broken) {
		t.Errorf("%v, then %d, %v, want an error for the second write", first, n, second)
	}
	_, _, _ = g.write(make([]byte, 8))
	if err := g.end(); !errors.Is(err, broken) {
		t.Errorf("end = %v, want the error", err)
	}
}

// TestGatheringKeepsOrder lets another goroutine write while a gathering ends, as TLS may when a client wants new keys.
func TestGatheringKeepsOrder(t *testing.T) {
	to := &sink{}
	g := &gathering{to: to, buf: make([]byte, 0, 64)}
	if _, _, err := g.write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if _, taken, _ := g.write([]byte("other")); !taken {
			g.mu.Lock()
			defer g.mu.Unlock()
			_, _ = to.Write([]byte("other"))
		}
	})
	work.Go(func() { _ = g.end() })
	work.Wait()
	if string(to.all) != "firstother" {
		t.Errorf("%q was sent", to.all)
	}
}
