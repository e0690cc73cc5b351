// Package htpasswd knows the users of a password file, in the format of Apache's htpasswd: one NAME:HASH a line, blank lines
// and lines that begin with "#" left out of account. It owns no file: each is read whole when it is opened and at reload.
//
//	users, err := htpasswd.Open("/etc/site/users", pool.Do)
//	ok, err := users.Verify(ctx, name, password)
//
// Hashes are bcrypt ($2a$, $2b$, $2y$), MD5 ($apr1$, $1$), SHA-crypt ($5$, $6$), {SHA} and {SSHA}; plain text is refused.
package htpasswd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"github.com/tg123/go-htpasswd"

	"github.com/gtwistd/gtwistd/internal/regular"
)

const (
	// maxFile is the size of a file that has something else in it.
	maxFile = 64 << 20
	// maxPassword bounds the work for one guess: all methods but bcrypt read the whole password thousands of times.
	maxPassword = 1024
)

// Do runs fn, which takes up a processor for a while, once there is room for it. It returns fn's error, or one of its own
// if fn did not run. It bounds how many run at once and how many wait, so that many wrong guesses leave processor time for
// the rest of the program.
type Do func(ctx context.Context, fn func() error) error

// File is the users of one file. Use Open to make one. It is safe for concurrent use.
type File struct {
	path  string
	do    Do
	key   [sha256.Size]byte // random, so that a mark says nothing outside of this process
	table atomic.Pointer[table]
}

// table is what a file said at one time.
type table struct {
	byName map[string]*user
	all    []*user // in the order of the file, never empty
}

// user remembers by a mark, and not by itself, the password that was right last, so that a slow hash costs once.
type user struct {
	hash htpasswd.EncodedPasswd
	mark atomic.Pointer[mark]
}

// mark is the HMAC of a name and a password.
type mark [sha256.Size]byte

// Open reads the file at path; do is called for each password that has to be hashed. The error is an *Error if the file is
// read and wrong, and wraps fs.ErrNotExist or fs.ErrPermission where they apply. A file without users is an error, too.
func Open(path string, do Do) (*File, error) {
	f := &File{path: path, do: do}
	_, _ = rand.Read(f.key[:]) // never fails
	t, err := read(path)
	if err != nil {
		return nil, err
	}
	f.table.Store(t)
	return f, nil
}

// Reload reads the file anew and forgets which passwords were right. An error leaves the users as they were.
func (f *File) Reload(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := read(f.path)
	if err != nil {
		return err
	}
	f.table.Store(t)
	return nil
}

// Verify reports whether there is a user of that name with that password. How long it takes does not tell a wrong name from
// a wrong password. An error, such as that of ctx, comes from Do and means that it is not known. A password with a NUL byte
// or of more than 1024 bytes is never right.
func (f *File) Verify(ctx context.Context, name, password string) (bool, error) {
	if len(password) > maxPassword || strings.Contains(password, "\x00") {
		return false, nil
	}
	t, m := f.table.Load(), f.markOf(name, password)
	u, known := t.byName[name]
	if !known {
		u = f.standIn(t, name)
	}
	if known && u.remembers(&m) {
		return true, nil
	}
	right := false
	err := f.do(ctx, func() error {
		// A browser that opens six connections at once asks six times before the first has its answer.
		right = known && u.remembers(&m) || u.hash.MatchesPassword(password) && known
		return nil
	})
	if err != nil || !right {
		return false, err
	}
	u.mark.Store(&m)
	return true, nil
}

// standIn is the user whose hash an unknown name is checked against, always the same for the same name: in a file with fast
// and slow hashes a name that is always slow and one that changes would both tell.
func (f *File) standIn(t *table, name string) *user {
	m := f.markOf(name, "")
	return t.all[binary.BigEndian.Uint64(m[:])%uint64(len(t.all))]
}

func (f *File) markOf(name, password string) (m mark) {
	h := hmac.New(sha256.New, f.key[:])
	_, _ = io.WriteString(h, name)
	_, _ = h.Write([]byte{0}) // no password has one
	_, _ = io.WriteString(h, password)
	h.Sum(m[:0])
	return m
}

func (u *user) remembers(m *mark) bool {
	right := u.mark.Load()
	return right != nil && hmac.Equal(right[:], m[:])
}

func read(path string) (*table, error) {
	data, err := regular.Read(path, maxFile, "password file")
	if err != nil {
		return nil, err
	}
	t, err := parse(string(data))
	var bad *Error
	if errors.As(err, &bad) {
		bad.Path = path
	}
	return t, err
}
