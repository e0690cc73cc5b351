package static

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.room = 5
		put := func(name string, n int) {
			s.put(name, &shelved{entries: make([]entry, n), read: time.Now()})
		}
		put("a", 3)
		put("b", 3)
		if s.get("a") == nil {
			t.Error("what was just read is not kept")
		}
		if s.get("b") != nil {
			t.Error("more is kept than there is room for")
		}
		put("a", 4)
		if got := s.get("a"); got == nil || len(got.entries) != 4 {
			t.Error("what was read later does not replace what was read before")
		}
		time.Sleep(tooOld)
		if s.get("a") != nil {
			t.Error("what is too old is kept")
		}
		synctest.Wait()
		if s.room != 5 || len(s.kept) != 0 {
			t.Errorf("%d entries of room and %d directories are left of an empty shelf", s.room, len(s.kept))
		}
		put("a", 5)
		s.forget()
		if s.get("a") != nil || s.room != 5 {
			t.Error("something is left after forget")
		}
	})
}
