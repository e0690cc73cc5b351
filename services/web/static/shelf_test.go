package static

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, here, there := newShelf(), &tree{}, &tree{}
		s.room = 5
		put := func(name string, n int) {
			s.put(name, &shelved{tree: here, entries: make([]entry, n), read: time.Now()})
		}
		put("a", 3)
		put("b", 3)
		if s.get(here, "a") == nil {
			t.Error("what was just read is not kept")
		}
		if s.get(here, "b") != nil {
			t.Error("more is kept than there is room for")
		}
		if s.get(there, "a") != nil {
			t.Error("a reload changes nothing")
		}
		put("a", 4)
		if got := s.get(here, "a"); got == nil || len(got.entries) != 4 {
			t.Error("what was read later does not replace what was read before")
		}
		time.Sleep(tooOld)
		if s.get(here, "a") != nil {
			t.Error("what is too old is kept")
		}
		synctest.Wait()
		if s.room != 5 || len(s.kept) != 0 {
			t.Errorf("%d entries of room and %d directories are left of an empty shelf", s.room, len(s.kept))
		}
		put("a", 5)
		s.clear()
		if s.get(here, "a") != nil || s.room != 5 {
			t.Error("something is left after clear")
		}
	})
}
