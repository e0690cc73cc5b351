// Package accounts says who may do what over FTP: rights, quota, bandwidth, number of sessions and the networks to come from,
// by user, from a file that is read anew at a reload; and it slows down and keeps out who guesses passwords. Passwords are
// not its business: those stand in the file that plugins.Env.Users opens.
//
//	book, err := accounts.Open(accounts.Options{Path: "ftp-users.toml", Users: accounts.Account{Root: "/srv/ftp", Permissions: accounts.Read}})
//	session, err := book.Login("alice", address) // once the password was right
//	defer session.Close()
//
// A Book owns the counters that the sessions of a user share. It starts no goroutine; the service calls Run in one of its own.
//
// # The users file
//
// It is TOML. A user has what her table says, then what [defaults] says, then what the command line says. [anonymous] is for
// users without a name and has nothing of [defaults], so that rights given to everybody with a password are not given to
// everybody. Whoever has a password and no table is a user, too. The tables have the same keys:
//
//	[defaults]
//	root = "/srv/ftp/%u"            # the user's "/"; %u is the user's name, a relative path begins at the file's directory
//	enabled = true                  # false keeps the user out and takes all rights from sessions that are open
//	permissions = "read-only"       # "none", "read-only", "all", or a list of words
//	quota = "10GiB"                 # bytes stored below root; 0, the default, is no limit
//	max-files = 100000              # files and directories below root; 0, the default, is no limit
//	max-file-size = "1GiB"          # bytes of one file that is uploaded; 0, the default, is no limit
//	upload-bandwidth = "1MiB"       # bytes a second of all sessions of the user together; 0, the default, is no limit
//	download-bandwidth = "10MiB"    # the same for what the user fetches
//	max-sessions = 4                # at once; 0, the default, is no limit
//	allow-from = ["10.0.0.0/8"]     # networks or addresses to log in from; left out, the default, is everywhere
//
//	[users.alice]
//	permissions = ["read", "write", "delete", "rename", "mkdir"]
//
//	[users.alice.paths]             # for a directory and what is below it, in place of permissions
//	"/incoming" = ["create"]
//
// The words are: list (see names, sizes and times), download, create (upload files that are not there yet), overwrite
// (replace, append to, resume and set the time of files that are), delete (files and empty directories), rename and mkdir;
// read is list and download, write is create and overwrite. A directory's own name belongs to the one that it is in, so that
// "/incoming" above says nothing about its removal; but what paths names is never renamed, nor what is above it. Paths go by
// the names that a client uses: a symbolic link that somebody made there leads to a place under its own name. A size is a number of bytes or a text such as "64KiB", "10M" or
// "1GiB"; K, M, G and T are powers of 1024.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// What Login returns. The texts are for the log and name no password; to the client a server says the same as for a wrong
// password for all but ErrSessions.
var (
	// ErrDisabled: the user's table says enabled = false.
	ErrDisabled = errors.New("the account is disabled")
	// ErrNetwork: the address is in none of the networks of allow-from.
	ErrNetwork = errors.New("logins are not allowed from this address")
	// ErrName: root has a %u, and the name of the user cannot be that of a directory.
	ErrName = errors.New("the name of the user cannot be that of a directory")
	// ErrSessions: the user has max-sessions sessions already (FTP 421).
	ErrSessions = errors.New("too many sessions of this user")
)

// recount is how often the files of users who are logged in are counted anew, in case others changed them.
const recount = time.Hour

// Options are what a Book is made from.
type Options struct {
	// Path is the users file. Empty means none: all users are as Users says.
	Path string
	// Users is what the command line says of users with a password, Anonymous of those without.
	Users, Anonymous Account
	// Pool bounds the counting of files, a batch of them at a time. Nil counts in the caller's goroutine without bound.
	Pool plugins.Pool
	// Guest reports whether whoever gives that name is anonymous: a table of a user with it is an error. Nil is no name.
	Guest func(name string) bool
	// Names returns the users of the password file, at each reading of the users file: a table about anybody else is an error.
	// Nil leaves open who there is.
	Names func() []string
	// Check, if not nil, is asked before Reload uses what the users file says now; its error is Reload's. The Book that it gets
	// has the accounts and no sessions.
	Check func(context.Context, *Book) error
	// Log gets what Run cannot return. Nil discards it.
	Log *slog.Logger
}

// Book is all accounts. Use Open to make one. It is safe for concurrent use.
type Book struct {
	opts  Options
	file  atomic.Pointer[file]
	usage *ledger

	mu    sync.Mutex
	users map[string]*user // those with sessions; that of anonymous is ""
}

// user is what the sessions of one user share.
type user struct {
	name     string
	account  atomic.Pointer[Account]
	sessions int // under Book.mu
	up, down limiter
}

// Open reads the users file. The error is an *Error if the file is read and wrong, and wraps fs.ErrNotExist or
// fs.ErrPermission where they apply. Whether the roots exist is not looked at.
func Open(opts Options) (*Book, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	b := &Book{opts: opts, users: map[string]*user{}, usage: newLedger(opts.Pool, opts.Log)}
	b.opts.Users.Root, b.opts.Anonymous.Root = cleanRoot(opts.Users.Root), cleanRoot(opts.Anonymous.Root)
	if opts.Path != "" {
		abs, err := filepath.Abs(opts.Path)
		if err != nil {
			return nil, err
		}
		b.opts.Path = abs
	}
	f, err := b.read()
	if err != nil {
		return nil, err
	}
	b.file.Store(f)
	return b, nil
}

// cleanRoot lets an empty one be.
func cleanRoot(root string) string {
	if root == "" {
		return ""
	}
	return filepath.Clean(root)
}

func (b *Book) read() (*file, error) {
	if b.opts.Path == "" {
		return &file{}, nil
	}
	f, err := readFile(b.opts.Path)
	if err == nil {
		err = b.checkUsers(f)
	}
	return f, err
}

// Reload reads the users file anew. Sessions stay, with their root, and have the new rights, quota and bandwidth at once; the
// user's new root, number of sessions and networks are for those who log in from then on. A user who is disabled now loses all
// rights. An error leaves everything as it was.
func (b *Book) Reload(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := b.read()
	if err != nil {
		return err
	}
	if b.opts.Check != nil {
		next := &Book{opts: b.opts}
		next.file.Store(f)
		if err := b.opts.Check(ctx, next); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file.Store(f)
	for name, u := range b.users {
		u.set(b.account(name))
	}
	return nil
}

// Login begins a session of the user of that name, whose password was right, from that address, which is invalid for a unix
// socket. A name of "" is an empty name and never anonymous. The error is ErrDisabled, ErrNetwork, ErrName or ErrSessions.
func (b *Book) Login(name string, from netip.Addr) (*Session, error) {
	if name == "" {
		return nil, ErrDisabled
	}
	return b.login(name, from)
}

// LoginAnonymous begins a session of the user without a name. max-sessions and bandwidth are for all of them together.
func (b *Book) LoginAnonymous(from netip.Addr) (*Session, error) { return b.login("", from) }

func (b *Book) login(name string, from netip.Addr) (*Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	account := b.account(name)
	switch {
	case account.Disabled:
		return nil, ErrDisabled
	case !account.allows(from):
		return nil, ErrNetwork
	case account.misfit:
		return nil, ErrName
	}
	u := b.users[name]
	if u == nil {
		u = &user{name: name}
	}
	if limit := account.MaxSessions; limit > 0 && u.sessions >= limit {
		return nil, fmt.Errorf("%w, at most %d", ErrSessions, limit)
	}
	b.users[name] = u
	u.sessions++
	u.set(account)
	return &Session{book: b, user: u, root: account.Root, usage: b.usage.open(account.Root)}, nil
}

// account is what is said of a user; "" is anonymous.
func (b *Book) account(name string) *Account {
	f := b.file.Load()
	if name == "" {
		account := b.opts.Anonymous
		f.anonymous.apply(&account, "anonymous")
		return &account
	}
	account := b.opts.Users
	f.defaults.apply(&account, name)
	f.users[name].apply(&account, name)
	return &account
}

func (u *user) set(a *Account) {
	u.account.Store(a)
	u.up.SetRate(a.UploadBandwidth)
	u.down.SetRate(a.DownloadBandwidth)
}

func (u *user) limiter(upload bool) *limiter {
	if upload {
		return &u.up
	}
	return &u.down
}

// Anonymous returns what is said of the user without a name.
func (b *Book) Anonymous() Account { return *b.account("") }

// HasUsers reports whether the users file says something of users with a password.
func (b *Book) HasUsers() bool {
	f := b.file.Load()
	return f.defaults != nil || len(f.users) > 0
}

// WritableRoots returns the roots that somebody who may log in writes to: of the users whom the file names, that of anonymous
// first, and of those whom it does not name, each once.
func (b *Book) WritableRoots() (roots []string) {
	seen := map[string]bool{"": true}
	for _, name := range append([]string{""}, b.file.Load().names()...) {
		a := b.account(name)
		if !seen[a.Root] && a.MayChange() {
			seen[a.Root] = true
			roots = append(roots, a.Root)
		}
	}
	if a := b.opts.Users; b.file.Load().defaults == nil && a.MayChange() && a.Root != "" && !slices.Contains(roots, a.Root) {
		roots = append(roots, a.Root)
	}
	return roots
}

// Run counts anew, once an hour, the files below the roots of users who are logged in and have a quota, as other programs may
// have changed them, and returns when ctx ends. Without it only what goes through sessions is counted.
func (b *Book) Run(ctx context.Context) {
	ticker := time.NewTicker(recount)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.usage.recount(ctx)
		}
	}
}
