package static

import (
	"sync"
	"time"
)

// shelf keeps what was read of large directories for as long as files are kept in memory without a look at the disk, so that
// one that many ask for is not read for each of them. A nil shelf keeps nothing. It is safe for concurrent
// use.
type shelf struct {
	mu   sync.Mutex
	kept map[string]*shelved // by name below the root
	room int                 // how many entries there is room for
}

// shelved is a large directory. Nobody may change its entries.
type shelved struct {
	entries []entry // in the usual order
	cut     bool
	read    time.Time // when reading began
}

func newShelf() *shelf { return &shelf{kept: map[string]*shelved{}, room: maxListed} }

// get returns what is kept of a directory, nil if that is nothing or too old.
func (s *shelf) get(name string) *shelved {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.kept[name]; d != nil && time.Since(d.read) < tooOld {
		return d
	}
	return nil
}

// put keeps a directory for a while, if there is room.
func (s *shelf) put(name string, d *shelved) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(name, s.kept[name])
	if len(d.entries) > s.room {
		return
	}
	s.kept[name] = d
	s.room -= len(d.entries)
	time.AfterFunc(tooOld, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(name, d)
	})
}

// remove takes a directory away if it is still the one that is kept.
func (s *shelf) remove(name string, d *shelved) {
	if d != nil && s.kept[name] == d {
		delete(s.kept, name)
		s.room += len(d.entries)
	}
}

// forget drops everything.
func (s *shelf) forget() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, d := range s.kept {
		s.remove(name, d)
	}
}
