package cmd

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// startProfile begins a profile of the whole run and returns what completes it. The file is created at once, so that it
// can still be written when privileges have been dropped; a symbolic link is not followed. An empty path means no profile.
func startProfile(path, profiler string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|noFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	finish := func() error { return nil }
	switch profiler {
	case "cpu":
		err = pprof.StartCPUProfile(f)
		finish = func() error { pprof.StopCPUProfile(); return nil }
	case "trace":
		err = trace.Start(f)
		finish = func() error { trace.Stop(); return nil }
	case "heap":
		finish = func() error { runtime.GC(); return pprof.WriteHeapProfile(f) }
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), f.Close())
	}
	return func() error {
		if err := errors.Join(finish(), f.Close()); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		return nil
	}, nil
}
