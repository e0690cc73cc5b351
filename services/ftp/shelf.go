package ftp

import (
	"sync"
	"time"
)

const (
	// shelfTime is how long a rendered listing may be sent again, as long as its directory looks the same, and settleTime how
	// long the directory must not have changed before: some file systems tell only seconds apart, some two.
	shelfTime  = time.Second
	settleTime = 3 * time.Second

	// maxShelf is how many bytes of listings are kept together, also of those that are still being sent, mostShelved of one.
	// Directories with fewer than minShelved entries are read each time.
	maxShelf    = 16 << 20
	mostShelved = 4 << 20
	minShelved  = 1000
)

// shelf keeps rendered listings of large directories for a moment, so that one that many ask for is not read for each of them.
// What is done by way of this server empties it, so that only sizes, times and modes that other programs change may be old, or
// the size of a file that is uploaded in place while it grows, and not older than shelfTime. It is safe for concurrent use.
type shelf struct {
	room   shared
	settle time.Duration // settleTime

	mu      sync.Mutex
	changes int // how often the shelf was emptied
	kept    map[place]*shelved
}

// place is a directory as some users see it, rendered for a command.
type place struct{ root, rel, verb string }

// stamp is what changes with a directory. The zero value is of none.
type stamp struct {
	dev, ino          uint64
	modified, changed int64 // the times of its last change and of its inode's, in nanoseconds since 1970
}

// shelved is a rendered listing. Nobody changes it but for its users.
type shelved struct {
	text  []byte
	stamp stamp
	began time.Time
	users int // the shelf, and who sends it; below the shelf's mu
}

func newShelf(settle time.Duration) *shelf {
	return &shelf{room: shared{most: maxShelf}, settle: settle, kept: map[place]*shelved{}}
}

// get returns a listing, nil if there is none or another one is to be made, and the number of changes before that. The
// caller leaves it.
func (s *shelf) get(at place, of stamp, now time.Time) (*shelved, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.kept[at]; d != nil && d.stamp == of && now.Sub(d.began) < shelfTime {
		d.users++
		return d, s.changes
	}
	return nil, s.changes
}

// leave gives back what the text takes, if nobody else has the listing.
func (s *shelf) leave(d *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(d)
}

// drop is leave. Called with mu.
func (s *shelf) drop(d *shelved) {
	if d.users--; d.users == 0 {
		s.room.give(int64(cap(d.text)))
	}
}

// put keeps a listing, which was begun after that many changes. What its text takes was taken of room, and is given back here.
func (s *shelf) put(at place, d *shelved, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.users = 1
	left := shelfTime - time.Since(d.began)
	if changes != s.changes || left <= 0 {
		s.drop(d)
		return
	}
	s.remove(at, s.kept[at])
	s.kept[at] = d
	time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(at, d)
	})
}

// remove takes a listing away if it is still the one that is kept. Called with mu.
func (s *shelf) remove(at place, d *shelved) {
	if d != nil && s.kept[at] == d {
		delete(s.kept, at)
		s.drop(d)
	}
}

// forget empties the shelf: something has changed.
func (s *shelf) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	for at, d := range s.kept {
		s.remove(at, d)
	}
}
