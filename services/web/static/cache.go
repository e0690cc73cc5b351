package static

import (
	"hash/maphash"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// smallFile is the size in bytes up to which files are kept, if so large a one is no more than a part of the memory.
	smallFile = 256 << 10

	// A file is not for memory until its last change is older than what its file system counts time in: a tick of the kernel
	// of up to 10 ms, or a second or two. Until then its time does not tell one state from the next, and it may be half written.
	tick       = 100 * time.Millisecond
	coarseTick = 2 * time.Second

	recordOverhead = 1 << 10 // bytes of memory for a file besides its content, about
	shards         = 16
)

// hotCache holds records up to a number of bytes; those that were not used for longest leave first, about. It is safe for
// concurrent use.
type hotCache struct {
	limit   int64 // bytes of each shard
	largest int64 // bytes of a file
	clock   func() time.Time
	start   time.Time
	seed    maphash.Seed
	shards  [shards]shard

	forgotten atomic.Int64 // how often
}

type shard struct {
	mu      sync.RWMutex
	size    int64
	records map[string]*record
}

// newHotCache returns nil if nothing is to be kept.
func newHotCache(limit int64, clock func() time.Time) *hotCache {
	if limit <= 0 {
		return nil
	}
	c := &hotCache{
		limit: limit / shards, largest: min(smallFile, limit/shards/2), seed: maphash.MakeSeed(), clock: clock, start: clock(),
	}
	for i := range c.shards {
		c.shards[i].records = map[string]*record{}
	}
	return c
}

// now is the time since the start.
func (c *hotCache) now() time.Duration { return c.clock().Sub(c.start) }

// settled says whether the last change of a file was long enough ago. A file with a time to come is not settled before.
func (c *hotCache) settled(info fs.FileInfo) bool {
	changed := info.ModTime()
	if at := time.Unix(0, changeTime(info)); at.After(changed) {
		changed = at
	}
	old := tick
	if changed.Nanosecond() == 0 {
		old = coarseTick // it seems that the file system counts in seconds
	}
	return c.clock().Sub(changed) >= old
}

func (c *hotCache) get(key []byte) *record {
	s := &c.shards[maphash.Bytes(c.seed, key)%shards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.records[string(key)]
}

func (c *hotCache) shard(key string) *shard { return &c.shards[maphash.String(c.seed, key)%shards] }

// put keeps a record of what was read when forgotten had that value.
func (c *hotCache) put(key string, rec *record, forgotten int64) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	rec.cost += int64(len(key))
	if rec.cost > c.limit || c.forgotten.Load() != forgotten {
		return
	}
	for s.size+rec.cost > c.limit {
		s.evict()
	}
	s.size += rec.cost
	s.records[key] = rec
}

func (c *hotCache) remove(key string) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
}

// forget empties the cache, also of what is being read.
func (c *hotCache) forget() {
	if c == nil {
		return
	}
	c.forgotten.Add(1)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.size = 0
		clear(s.records)
		s.mu.Unlock()
	}
}

func (s *shard) remove(key string) {
	if rec := s.records[key]; rec != nil {
		s.size -= rec.cost
		delete(s.records, key)
	}
}

// evict removes the least recently used of some records, which a map hands out in a random order.
func (s *shard) evict() {
	const sample = 8
	oldest, looked := "", 0
	for key, rec := range s.records {
		if looked == 0 || rec.used.Load() < s.records[oldest].used.Load() {
			oldest = key
		}
		if looked++; looked == sample {
			break
		}
	}
	s.remove(oldest)
}
