package ftp

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestShelf says when a listing is sent again.
func TestShelf(t *testing.T) {
	at, of := place{"/srv", "many", "LIST"}, stamp{1, 2, 3, 4}
	tests := []struct {
		name   string
		at     place
		of     stamp
		before func(*shelf)
		wait   time.Duration
		want   bool
	}{
		{name: "at once", at: at, of: of, want: true},
		{name: "later", at: at, of: of, wait: shelfTime - 1, want: true},
		{name: "too late", at: at, of: of, wait: shelfTime},
		{name: "changed by others", at: at, of: stamp{1, 2, 3, 5}},
		{name: "another directory", at: place{"/srv", "other", "LIST"}, of: of},
		{name: "another root", at: place{"/", "many", "LIST"}, of: of},
		{name: "another command", at: place{"/srv", "many", "MLSD"}, of: of},
		{name: "changed here", at: at, of: of, before: (*shelf).forget},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(0)
				if !s.room.take(8) {
					t.Fatal("no room")
				}
				s.put(at, &shelved{text: make([]byte, 8), stamp: of, began: time.Now()}, 0)
				if tt.before != nil {
					tt.before(s)
				}
				time.Sleep(tt.wait)
				synctest.Wait()
				got, _ := s.get(tt.at, tt.of, time.Now())
				if (got != nil) != tt.want {
					t.Errorf("get() = %v, want something: %v", got, tt.want)
				}
				time.Sleep(shelfTime)
				synctest.Wait()
				if got != nil {
					if used := s.room.used.Load(); used != 8 {
						t.Errorf("%d bytes of room are used while 8 are being sent", used)
					}
					s.leave(got)
				}
				if used := s.room.used.Load(); used != 0 || len(s.kept) != 0 {
					t.Errorf("%d bytes and %d listings are left", used, len(s.kept))
				}
			})
		})
	}
}

// TestShelfLate says that what was begun before a change, or long ago, is not kept.
func TestShelfLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, at := newShelf(0), place{"/srv", "many", "LIST"}
		_, changes := s.get(at, stamp{}, time.Now())
		s.room.used.Store(16)
		began := time.Now()
		s.forget()
		s.put(at, &shelved{text: make([]byte, 8), began: began}, changes)
		s.put(at, &shelved{text: make([]byte, 8), began: began.Add(-shelfTime)}, changes+1)
		if used := s.room.used.Load(); used != 0 || len(s.kept) != 0 {
			t.Errorf("%d bytes and %d listings are kept", used, len(s.kept))
		}
	})
}
