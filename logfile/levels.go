package logfile

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Levels says from which level on records are kept, in general and by service. The zero value keeps info and above for
// all. It never changes, so it is safe for concurrent use.
type Levels struct {
	general   slog.Level
	byService map[string]slog.Level
}

// ParseLevels parses a list such as "info,ftp=debug": at most one level for all and any number by service. The empty string
// means info. The error names the part that is wrong and has a hint.
func ParseLevels(s string) (Levels, error) {
	l := Levels{byService: map[string]slog.Level{}}
	if strings.TrimSpace(s) == "" {
		return l, nil
	}
	general := false
	for part := range strings.SplitSeq(s, ",") {
		service, word, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			service, word = "", service
		}
		level, err := parseLevel(word)
		if err != nil {
			return Levels{}, err
		}
		_, twice := l.byService[service]
		switch {
		case named && service == "":
			return Levels{}, &parseError{fmt.Sprintf("log level %q: no service before the =", part), "info,ftp=debug"}
		case named && twice, !named && general:
			return Levels{}, &parseError{fmt.Sprintf("log level %q: given twice", part), "info,ftp=debug"}
		case named:
			l.byService[service] = level
		default:
			l.general, general = level, true
		}
	}
	return l, nil
}

// Services returns the services that have a level of their own, sorted.
func (l Levels) Services() []string { return slices.Sorted(maps.Keys(l.byService)) }

func parseLevel(word string) (slog.Level, error) {
	switch strings.ToLower(word) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "critical": // twistd's fifth level
		return slog.LevelError, nil
	}
	return 0, &parseError{fmt.Sprintf("log level %q: unknown", word), "debug, info, warn or error, also by service: info,ftp=debug"}
}

// Level returns the lowest level that is kept of a service. What is said of "web" also holds for "web-2" and "web.static",
// unless those are named themselves.
func (l Levels) Level(service string) slog.Level {
	for name := service; name != ""; name = parent(name) {
		if level, ok := l.byService[name]; ok {
			return level
		}
	}
	return l.general
}

// parent cuts the last part off a service's name: ".static" or a number, "-2".
func parent(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	if i := strings.LastIndexByte(name, '-'); i >= 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		return name[:i]
	}
	return ""
}

// parseError is a word on the command line that means nothing.
type parseError struct{ text, hint string }

func (e *parseError) Error() string { return e.text }

// Hint says what would be right.
func (e *parseError) Hint() string { return e.hint }
