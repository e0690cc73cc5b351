package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// common are the options that every mount has, whatever its kind.
type common struct {
	auth    plugins.Path
	realm   realm
	rate    requestRate
	headers headerList
	origins originList
	maxBody plugins.Size
}

const (
	headingAccess = "Who may ask, and for how much"
	headingFiles  = "Files"

	authOff = "off" // a file of that name is ./off
)

// flags binds the options.
func (c *common) flags(fs *pflag.FlagSet) {
	plugins.Group(fs, headingFiles, func(fs *pflag.FlagSet) {
		fs.Var(&c.headers, "add-header", "add a header to every answer; repeatable")
	})
	plugins.Group(fs, headingAccess, c.accessFlags)
}

func (c *common) accessFlags(fs *pflag.FlagSet) {
	c.auth = plugins.Path{Kind: "FILE|off", Words: []string{authOff}}
	fs.Var(&c.auth, "auth", "admit only the users of this password file; gtwistd hash-password NAME writes its lines; off, in a mount, admits everybody")
	fs.Var(&c.realm, "auth-realm", "what browsers show when they ask for the password (default "+defaultRealm+")")
	fs.Var(&c.rate, "rate-limit", "answer 429 to a client with more than N requests a second (N/s), minute (N/m) or hour (N/h); BURST may come at once, as many as N if it is not said")
	fs.Var(&c.maxBody, "max-body", "answer 413 to requests with a larger body (default no limit)")
	fs.Var(&c.origins, "cors", "let scripts of other sites read the answers: all sites, or only ORIGIN, such as https://example.org; repeatable")
	fs.Lookup("cors").NoOptDefVal = anyOrigin
}

// header is what every answer of the mount has.
func (c *common) header() http.Header {
	h := http.Header{}
	for _, field := range c.headers {
		h.Add(field.name, field.value)
	}
	switch {
	case len(c.origins) == 0:
	case slices.Contains(c.origins, anyOrigin):
		h.Set("Access-Control-Allow-Origin", anyOrigin)
		h.Set("Access-Control-Expose-Headers", exposed)
	default:
		h.Add("Vary", "Origin")
	}
	return h
}

// exposed are the headers that the scripts of other sites may read besides the few that they always may.
const exposed = "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag, Location"

// guarded says whether a password is asked for.
func (c *common) guarded() bool { return c.auth.Given != "" && c.auth.Given != authOff }

// plain says whether an answer depends on nothing but what was asked for, so that it can come from memory.
func (c *common) plain() bool {
	return !c.guarded() && c.rate.count == 0 && (len(c.origins) == 0 || slices.Contains(c.origins, anyOrigin))
}

// wrap puts around a handler what the options say. users is nil if there is no password file.
func (c *common) wrap(next http.Handler, header http.Header, users plugins.Users, env *plugins.Env) http.Handler {
	if c.maxBody > 0 {
		next = limitBody(next, int64(c.maxBody))
	}
	if users != nil {
		next = newBasicAuth(next, users, c.realm, env.Log)
	}
	if len(c.origins) > 0 {
		next = &crossOrigin{next, c.origins}
	}
	next = newRateLimit(next, c.rate)
	if len(header) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := w.Header()
		for name, values := range header {
			to[name] = slices.Clone(values)
		}
		next.ServeHTTP(w, r)
	})
}

// users opens the password file, if there is one.
func (c *common) users(spec *mountSpec, env *plugins.Env) (plugins.Users, error) {
	if !c.guarded() {
		if c.realm != "" {
			return nil, &plugins.UsageError{Reason: spec.about("auth-realm") + ": nobody is asked for a password", Suggestion: "name a password file with auth"}
		}
		return nil, nil
	}
	users, err := env.Users(c.auth.Abs())
	if path, ok := err.(*fs.PathError); ok { // of an error around one the words would be lost
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", spec.about("auth"), c.auth.Given, err)
	}
	return users, nil
}

// limitBody answers requests with more than n bytes of body with 413 as soon as that is known.
func limitBody(next http.Handler, n int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > n {
			w.Header().Set("Connection", "close") // the body stays unread
			http.Error(w, fmt.Sprintf("%s: at most %d bytes", http.StatusText(http.StatusRequestEntityTooLarge), n), http.StatusRequestEntityTooLarge)
			return
		}
		limited := r.WithContext(r.Context()) // as in watchBody
		limited.Body = http.MaxBytesReader(w, r.Body, n)
		next.ServeHTTP(w, limited)
	})
}

// anyOrigin lets every site read the answers.
const anyOrigin = "*"

// crossOrigin answers what browsers ask on behalf of other sites' scripts (Fetch standard, section "CORS protocol").
// Credentials are never allowed: with them, every site could use what a browser knows.
type crossOrigin struct {
	next    http.Handler
	origins originList
}

// ServeHTTP implements http.Handler.
func (c *crossOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	allowed := slices.Contains(c.origins, anyOrigin)
	if !allowed && slices.Contains(c.origins, origin) {
		allowed = true
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", exposed)
	}
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || origin == "" || method == "" {
		c.next.ServeHTTP(w, r)
		return
	}
	if allowed { // a preflight: what is asked for is allowed as far as we are concerned, and answered like anything else
		w.Header().Set("Access-Control-Allow-Methods", method)
		if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
			w.Header().Set("Access-Control-Allow-Headers", names)
		}
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// named leaves out what means every site.
func (l originList) named() []string {
	return slices.DeleteFunc(slices.Clone(l), func(s string) bool { return s == anyOrigin })
}

// originList is a flag value: origins as browsers send them, or "*".
type originList []string

// Set implements pflag.Value.
func (l *originList) Set(s string) error {
	u, err := url.Parse(s)
	if s != anyOrigin && (err != nil || u.Host == "" || s != u.Scheme+"://"+u.Host) {
		return errors.New("not an origin such as https://example.org, without a path")
	}
	s = strings.ToLower(s)
	// Browsers leave out the port that a scheme has by itself.
	if port, ok := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; ok {
		s = strings.TrimSuffix(s, port)
	}
	*l = append(*l, s)
	return nil
}

// String implements pflag.Value.
func (l *originList) String() string { return strings.Join(*l, "\n") }

// Type implements pflag.Value.
func (l *originList) Type() string { return "ORIGIN" }

// Append implements pflag.SliceValue.
func (l *originList) Append(s string) error { return l.Set(s) }

// Replace implements pflag.SliceValue.
func (l *originList) Replace(list []string) error {
	*l = nil
	return setEach(l, list)
}

// GetSlice implements pflag.SliceValue.
func (l *originList) GetSlice() []string { return *l }

// headerList is a flag value: header fields.
type headerList []headerField

type headerField struct{ name, value string }

// framing are the headers that belong to the message and not to what it carries.
var framing = []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Set implements pflag.Value.
func (l *headerList) Set(s string) error {
	name, value, found := strings.Cut(s, ":")
	name, value = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.Trim(value, " \t")
	switch {
	case !found || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
		return errors.New("not of the form Name: value")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return errors.New("a control character in the value")
	case slices.Contains(framing, name):
		return fmt.Errorf("%s is set by the server itself", name)
	}
	*l = append(*l, headerField{name, value})
	return nil
}

// String implements pflag.Value.
func (l *headerList) String() string { return strings.Join(l.GetSlice(), "\n") }

// Type implements pflag.Value.
func (l *headerList) Type() string { return "'NAME: VALUE'" }

// Append implements pflag.SliceValue.
func (l *headerList) Append(s string) error { return l.Set(s) }

// Replace implements pflag.SliceValue.
func (l *headerList) Replace(list []string) error {
	*l = nil
	return setEach(l, list)
}

// GetSlice implements pflag.SliceValue.
func (l *headerList) GetSlice() []string {
	var list []string
	for _, field := range *l {
		list = append(list, field.name+": "+field.value)
	}
	return list
}

func setEach(v pflag.Value, list []string) error {
	for _, s := range list {
		if err := v.Set(s); err != nil {
			return err
		}
	}
	return nil
}
