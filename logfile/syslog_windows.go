package logfile

import (
	"errors"
	"fmt"
)

// NewSyslog is an error: Windows has no system log of this kind.
func NewSyslog(string, ObserverOptions) (*Observer, error) {
	return nil, fmt.Errorf("system log: not available on Windows: %w", errors.ErrUnsupported)
}
