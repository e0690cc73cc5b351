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

// Is says whether a name is that of a part, which is never shown. Some file systems do not tell cases apart.
func Is(name string) bool {
	return len(name) >= len(prefix)+len(suffix) &&
		strings.EqualFold(name[:len(prefix)], prefix) && strings.EqualFold(name[len(name)-len(suffix):], suffix)
}
