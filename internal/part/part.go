// Package part is what services agree upon about unfinished uploads: each lies in a file of its own, the part, beside the
// name it is to have; nobody sees it, and whoever writes it has it locked. It owns no file.
package part

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

const (
	prefix, suffix = ".gtwistd-", ".part"

	// maxName is what most file systems allow, in bytes.
	maxName = 255

	// MaxAge is how long an unfinished upload can be taken up again.
	MaxAge = 7 * 24 * time.Hour
)

// ErrLocked says that somebody else writes the part.
var ErrLocked = errors.New("another upload of it is under way")

// Name is how the part of a file is called. It is never longer than 255 bytes.
func Name(file string) string {
	if len(prefix)+len(file)+len(suffix) > maxName {
		sum := sha256.Sum256([]byte(file))
		file = hex.EncodeToString(sum[:])
	}
	return prefix + file + suffix
}

// Core returns what stands between the beginning and the end that all parts have in common: the name that Name was given, unless
// it was too long. ok is false if it is no name that Name returns.
func Core(name string) (core string, ok bool) {
	core, begins := strings.CutPrefix(name, prefix)
	core, ends := strings.CutSuffix(core, suffix)
	if !begins || !ends {
		return "", false
	}
	return core, true
}

// Is says whether a name is that of a part, which is never shown. Some file systems do not tell cases apart.
func Is(name string) bool {
	return len(name) >= len(prefix)+len(suffix) &&
		strings.EqualFold(name[:len(prefix)], prefix) && strings.EqualFold(name[len(name)-len(suffix):], suffix)
}
