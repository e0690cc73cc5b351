package web

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/gtwistd/gtwistd/plugins"
)

const (
	defaultRealm = "restricted"
	// maxCredentials bounds what is decoded of an Authorization header.
	maxCredentials = 4 << 10
	// guessesAtOnce is how many passwords of one client are checked at a time: as many as a browser has connections and some
	// more, and a fraction of what may wait to be hashed, so that one who guesses does not keep all others out.
	guessesAtOnce = 8
	// unreadTimeout is how long the body of a refused request may take to arrive before its connection is closed.
	unreadTimeout = 5 * time.Second
)

// realm is a flag value: what browsers say that the password is for. Empty means "restricted".
type realm string

// Set implements pflag.Value. A control character would end the header.
func (z *realm) Set(s string) error {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("a control character in it")
	}
	*z = realm(s)
	return nil
}

// String implements pflag.Value.
func (z *realm) String() string { return string(*z) }

// Type implements pflag.Value.
func (z *realm) Type() string { return "TEXT" }

// challenge is the value of WWW-Authenticate, RFC 7617 section 2, with the realm as a quoted-string of RFC 9110 section 5.6.4.
func (z realm) challenge() string {
	text := string(z)
	if text == "" {
		text = defaultRealm
	}
	return `Basic realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `", charset="UTF-8"`
}

// basicAuth lets those through who name a user of a password file and the right password, RFC 7617, and tells the access
// log who they are. Others get 401, and 503 when too many passwords are to be hashed at once. The Authorization header stays
// in the request: what stands behind a proxy may want to know the user, too. It is safe for concurrent use.
type basicAuth struct {
	next      http.Handler
	users     plugins.Users
	challenge string
	log       *slog.Logger
	guesses   turns
}

func newBasicAuth(next http.Handler, users plugins.Users, z realm, log *slog.Logger) *basicAuth {
	return &basicAuth{next: next, users: users, challenge: z.challenge(), log: log, guesses: turns{each: guessesAtOnce}}
}

// ServeHTTP implements http.Handler. It panics with http.ErrAbortHandler if the client leaves before there is an answer.
func (a *basicAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, password, given := credentials(r.Header["Authorization"])
	if !given {
		a.ask(w, r)
		return
	}
	right, err := a.verify(w, r, name, password)
	switch {
	case err != nil:
		a.fail(w, r, err)
	case !right:
		a.log.InfoContext(r.Context(), "wrong user or password", "user", name, "client", clientOf(w, r))
		a.ask(w, r)
	default:
		setUser(w, name)
		a.next.ServeHTTP(w, r)
	}
}

func (a *basicAuth) verify(w http.ResponseWriter, r *http.Request, name, password string) (bool, error) {
	release, err := a.guesses.take(r.Context(), clientOf(w, r))
	if err != nil {
		return false, err
	}
	defer release()
	return a.users.Verify(r.Context(), name, password)
}

func (a *basicAuth) ask(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", a.challenge)
	refuse(w, r, http.StatusUnauthorized)
}

func (a *basicAuth) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to be answered
	case errors.Is(err, plugins.ErrFull):
		w.Header().Set("Retry-After", "1")
		refuse(w, r, http.StatusServiceUnavailable)
	default:
		a.log.ErrorContext(r.Context(), "cannot check a password", "error", err)
		refuse(w, r, http.StatusInternalServerError)
	}
}

// credentials reads the values of Authorization. Two of them are none: whoever stands behind a proxy may take the other. So
// are those with control characters, which RFC 7617 section 2 forbids.
func credentials(values []string) (name, password string, ok bool) {
	if len(values) != 1 || len(values[0]) > maxCredentials {
		return "", "", false
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if text := string(decoded); err == nil && !strings.ContainsFunc(text, unicode.IsControl) {
		name, password, ok = strings.Cut(text, ":")
	}
	if !ok {
		return "", "", false
	}
	return name, password, true
}

// refuse answers in place of a handler that would have read the body. net/http reads what is left of one, so that the
// connection can be used again, for as long as it takes.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	if r.ContentLength != 0 {
		// Not every ResponseWriter has deadlines; those of net/http, where it matters, do.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadTimeout))
	}
	http.Error(w, http.StatusText(status), status)
}
