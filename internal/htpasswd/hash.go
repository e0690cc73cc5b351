package htpasswd

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tg123/go-htpasswd"
	"golang.org/x/crypto/bcrypt"
)

const (
	// cost is what Hash makes: a fifth of a second on a machine of 2020.
	cost = 12
	// maxCost and maxRounds keep one guess to a few seconds.
	maxCost   = 16
	maxRounds = 1_000_000
	// maxBcrypt is what bcrypt looks at; it would take no notice of the rest.
	maxBcrypt = 72
)

// methods are the kinds of hashes, by the prefixes that tell them apart. The library takes much for a hash that is none, and
// panics at some of it when a password is checked, so the form is checked before.
var methods = []struct {
	name     string
	prefixes []string
	form     *regexp.Regexp // the first group, if there is one, is the cost
	maxCost  int
	accept   htpasswd.PasswdParser
}{
	{"bcrypt", []string{"$2a$", "$2b$", "$2y$"}, regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`), maxCost, htpasswd.AcceptBcrypt},
	{"apr1", []string{"$apr1$", "$1$"}, regexp.MustCompile(`^\$(?:apr1|1)\$[!-#%-9;-~]{0,8}\$[./A-Za-z0-9]{22}$`), 0, htpasswd.AcceptMd5},
	{"SHA-256", []string{"$5$"}, regexp.MustCompile(`^\$5\$(?:rounds=([1-9][0-9]{3,8})\$)?[!-#%-9;-~]{1,16}\$[./A-Za-z0-9]{43}$`), maxRounds, htpasswd.AcceptCryptSha},
	{"SHA-512", []string{"$6$"}, regexp.MustCompile(`^\$6\$(?:rounds=([1-9][0-9]{3,8})\$)?[!-#%-9;-~]{1,16}\$[./A-Za-z0-9]{86}$`), maxRounds, htpasswd.AcceptCryptSha},
	{"{SHA}", []string{"{SHA}"}, regexp.MustCompile(`^\{SHA\}[+/A-Za-z0-9]{27}=$`), 0, htpasswd.AcceptSha},
	{"{SSHA}", []string{"{SSHA}"}, regexp.MustCompile(`^\{SSHA\}[+/A-Za-z0-9]{27,}=*$`), 0, htpasswd.AcceptSsha},
}

// readHash returns what checks passwords against the hash.
func readHash(name, hash string) (htpasswd.EncodedPasswd, *Error) {
	for _, m := range methods {
		if !hasPrefix(hash, m.prefixes) {
			continue
		}
		groups := m.form.FindStringSubmatch(hash)
		if groups == nil {
			return nil, &Error{Reason: fmt.Sprintf("the %s hash of %q is damaged", m.name, name), Suggestion: hashIt}
		}
		if n := costOf(groups); m.maxCost > 0 && n > m.maxCost {
			return nil, &Error{Reason: fmt.Sprintf("the %s hash of %q takes too long: its cost is %d, the most is %d", m.name, name, n, m.maxCost), Suggestion: hashIt}
		}
		encoded, err := m.accept(hash)
		if err != nil || encoded == nil { // whose text has the hash in it
			return nil, &Error{Reason: fmt.Sprintf("the %s hash of %q is damaged", m.name, name), Suggestion: hashIt}
		}
		return encoded, nil
	}
	if hasPrefix(hash, []string{"$", "{"}) {
		return nil, &Error{
			Reason:     fmt.Sprintf("the password of %q is not hashed by a method that is known here", name),
			Suggestion: "there are bcrypt, apr1, SHA-256 and SHA-512 of crypt, {SHA} and {SSHA}; " + hashIt,
		}
	}
	if hash == "" {
		return nil, &Error{Reason: fmt.Sprintf("%q has no password", name), Suggestion: hashIt}
	}
	return nil, &Error{Reason: fmt.Sprintf("the password of %q is plain text", name), Suggestion: "hash it: " + hashIt}
}

func hasPrefix(s string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func costOf(groups []string) int {
	if len(groups) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(groups[1]) // digits by its form; none means the default
	return n
}

// Hash returns the line of a password file for a user with that password, hashed with bcrypt, without a newline. With an
// empty name it is the hash alone. What no client can send and what bcrypt would not look at is an error.
func Hash(name, password string) (string, error) { return hash(name, password, cost) }

func hash(name, password string, cost int) (string, error) {
	if name != "" {
		if err := checkName(name); err != nil {
			return "", err
		}
		name += ":"
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", err
	}
	// The same method by the name that Apache knows it by.
	return name + "$2y$" + strings.TrimPrefix(string(hash), "$2a$"), nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxBcrypt:
		return fmt.Errorf("the password has %d bytes, bcrypt looks at %d", len(password), maxBcrypt)
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("a control character in the password") // RFC 7617 section 2
	}
	return nil
}
