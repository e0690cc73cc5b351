package live

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCoalesce(t *testing.T) {
	type change struct {
		after time.Duration // the one before
		path  string
	}
	type published struct {
		at         time.Duration
		onlyStyles bool
	}
	var storm []change
	for range 120 {
		storm = append(storm, change{10 * time.Millisecond, "a.html"})
	}
	ms := time.Millisecond
	tests := []struct {
		name    string
		changes []change
		want    []published
	}{
		{"one", []change{{0, "a.html"}}, []published{{50 * ms, false}}},
		{"a save", []change{{0, "a.html"}, {ms, "a.html"}, {2 * ms, "a.html"}}, []published{{53 * ms, false}}},
		{"two saves", []change{{0, "a.html"}, {100 * ms, "b.html"}}, []published{{50 * ms, false}, {150 * ms, false}}},
		{"styles", []change{{0, "a.css"}, {0, "B.CSS"}}, []published{{50 * ms, true}}},
		{"styles, then both", []change{{0, "a.css"}, {60 * ms, "a.css"}, {0, "a.js"}}, []published{{50 * ms, true}, {110 * ms, false}}},
		{"both, then styles", []change{{0, "a.js"}, {60 * ms, "a.css"}}, []published{{50 * ms, false}, {110 * ms, true}}},
		{"a storm", storm, []published{{510 * ms, false}, {1010 * ms, false}, {1250 * ms, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				begun := time.Now()
				changes := make(chan string)
				var got []published
				var work sync.WaitGroup
				work.Go(func() {
					coalesce(ctx, changes, func(onlyStyles bool) { got = append(got, published{time.Since(begun), onlyStyles}) })
				})
				for _, c := range tt.changes {
					time.Sleep(c.after)
					synctest.Wait() // so that what is due comes first
					changes <- c.path
				}
				time.Sleep(time.Second)
				cancel()
				work.Wait()
				if !slices.Equal(got, tt.want) {
					t.Errorf("published %v, want %v", got, tt.want)
				}
			})
		})
	}
}
