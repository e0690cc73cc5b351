package live

import (
	"context"
	"path/filepath"
	"strings"
	"time"
)

const (
	// settle is how long it must be quiet before a change is published: one save is several notices.
	settle = 50 * time.Millisecond
	// longest is how long the first of many changes waits for the last.
	longest = 500 * time.Millisecond
)

// coalesce makes one change of those that come close together, until ctx ends.
func coalesce(ctx context.Context, changes <-chan string, publish func(onlyStyles bool)) {
	due := time.NewTimer(longest)
	due.Stop()
	var deadline time.Time // zero: nothing is waiting
	onlyStyles := true
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-changes:
			if deadline.IsZero() {
				deadline = time.Now().Add(longest)
			}
			onlyStyles = onlyStyles && strings.EqualFold(filepath.Ext(path), ".css")
			due.Reset(min(settle, time.Until(deadline)))
		case <-due.C:
			publish(onlyStyles)
			deadline, onlyStyles = time.Time{}, true
		}
	}
}
