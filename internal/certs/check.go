package certs

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// check reports the mistakes that can be told without looking at files.
func (c Config) check() error {
	usage := func(hint, format string, args ...any) error {
		return &Error{Usage: true, text: fmt.Sprintf(format, args...), hint: hint}
	}
	for _, p := range c.Pairs {
		switch {
		case p.Cert == "" && p.Key != "":
			return usage("add --certificate FILE", "--privkey %q: the certificate that it belongs to is missing", p.Key)
		case p.Cert == "":
			return usage("", "--certificate %q: a file is needed", p.Cert)
		}
	}
	switch {
	case len(c.ACME) > 0 && len(c.Pairs) > 0:
		return usage("leave one of them out", "--acme and --certificate %q: certificates come from one of them", c.Pairs[0].Cert)
	case len(c.ACME) == 0 && c.Email != "":
		return usage("name the domains with --acme", "--acme-email %q: there is no account without domains", c.Email)
	case len(c.ACME) == 0 && c.Directory != "":
		return usage("name the domains with --acme", "--acme-directory %q: nothing is asked for there without domains", c.Directory)
	case c.Email != "" && !strings.Contains(strings.Trim(c.Email, "@"), "@"):
		return usage("", "--acme-email %q: not an address such as admin@example.org", c.Email)
	case c.Directory != "" && !isURL(c.Directory):
		return usage("", "--acme-directory %q: not a URL such as https://ca.example.org/acme/directory", c.Directory)
	}
	for _, domain := range c.ACME {
		if why, hint := notDomain(domain); why != "" {
			return usage(hint, "--acme %q: %s", domain, why)
		}
	}
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// notDomain says why no authority issues a certificate for s over HTTP-01 or TLS-ALPN-01; "" if one may.
func notDomain(s string) (why, hint string) {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	switch {
	case strings.HasPrefix(s, "*."):
		return "a wildcard needs a challenge in the DNS, which is not supported", "name the hosts one by one"
	case net.ParseIP(s) != nil:
		return "an address, not a domain", ""
	case strings.Contains(s, ":"):
		return "not a domain such as www.example.org", "leave out scheme and port"
	case strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }):
		return "not in ASCII", "write it as the DNS does, with xn-- (Punycode)"
	case len(labels) < 2 || len(s) > 253 || slices.ContainsFunc(labels, func(l string) bool { return !isLabel(l) }):
		return "not a domain such as www.example.org", ""
	}
	return "", ""
}

// isLabel goes by RFC 1123, section 2.1.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}
