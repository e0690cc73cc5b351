package logfile

import "log/slog"

// Format is the form of a log line.
type Format int

const (
	// Text is twistd's line: 2026-11-20T09:16:43+0000 [web#info] message key=value. The lines of a text with several lines are
	// indented by a tab, and other control characters are escaped, so that a record ends where the next line has no tab.
	Text Format = iota
	// JSON is one object a line: time (RFC 3339 with milliseconds), level, service, msg, then the attributes. A key that
	// occurs twice in an object gets a suffix: "id", "id#2".
	JSON
	// Console is for people at a terminal: the time of day, the level, the service, the message.
	Console
	// Raw is the message and nothing else, for access logs in files of their own.
	Raw
	// syslog is a digit for the severity, then Text's line without its time.
	system
)

// levelNames are the four names that levels have in a log; see levelIndex.
var levelNames = [...]string{"debug", "info", "warn", "error"}

// levelIndex returns the place of a level in levelNames: levels in between count as the one below.
func levelIndex(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return 0
	case l < slog.LevelWarn:
		return 1
	case l < slog.LevelError:
		return 2
	}
	return 3
}
