//go:build !unix

package ftp

import "time"

// hasHungUp does not know.
func hasHungUp(int, time.Duration) bool { return false }
