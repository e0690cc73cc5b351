package endpoint

import (
	"errors"
	"io/fs"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gtwistd/gtwistd/internal/suggest"
)

// Parse reads a description. The grammar is twistd's, TYPE:ARG:KEY=VALUE, where `\` takes away the meaning of the ":", "="
// or `\` that follows; the package comment lists the types. An address may stand before its port ("127.0.0.1:8080",
// "tcp:127.0.0.1:8080"), an IPv6 address in brackets. An error is an *Error with Malformed set.
func Parse(s string) (Spec, error) {
	spec, err := parse(s)
	if err == nil {
		return spec, nil
	}
	e := &Error{Spec: s, Malformed: true, Err: err}
	var f *fault
	if errors.As(err, &f) {
		e.hint = f.hint
	}
	return Spec{}, e
}

func parse(s string) (Spec, error) {
	if rest, ok := cutType(s, "haproxy"); ok {
		if _, again := cutType(rest, "haproxy"); again {
			return Spec{}, faultf("haproxy is given twice")
		}
		spec, err := parse(rest)
		switch {
		case err != nil:
			return Spec{}, err
		case spec.kind == "udp":
			return Spec{}, faultf("haproxy: not possible with udp").suggest("haproxy:tcp:%d", spec.port)
		}
		spec.proxy = true
		return spec, nil
	}
	args, err := split(s)
	if err != nil {
		return Spec{}, err
	}
	k, args, err := kindOfArgs(s, args)
	if err != nil {
		return Spec{}, err
	}
	return k.build(s, args)
}

// cutType removes "name:" from the front of s; types are not case-sensitive, as in twistd.
func cutType(s, name string) (rest string, ok bool) {
	head, rest, _ := strings.Cut(s, ":")
	return rest, strings.EqualFold(head, name)
}

// arg is one part of a description; key is empty if it is given by position.
type arg struct{ key, value string }

// split cuts s at each ":" and each part at its first "=".
func split(s string) ([]arg, error) {
	var args []arg
	var a arg
	var b strings.Builder
	keyed, start := false, true
	for i := 0; i < len(s); i++ {
		if start {
			if n := bracketed(s[i:]); n > 0 {
				b.WriteString(s[i : i+n])
				i += n - 1
				start = false
				continue
			}
		}
		start = false
		switch c := s[i]; {
		case c == 0:
			return nil, faultf("contains a zero byte")
		case c == '\\':
			if i++; i == len(s) {
				return nil, faultf(`ends in a lone "\"`).suggest(`write "\\" for a backslash`)
			}
			b.WriteByte(s[i])
		case c == ':':
			a.value = b.String()
			args = append(args, a)
			a, keyed, start = arg{}, false, true
			b.Reset()
		case c == '=' && !keyed:
			if a.key = b.String(); a.key == "" {
				return nil, faultf(`no key before "="`)
			}
			keyed, start = true, true
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	a.value = b.String()
	return append(args, a), nil
}

// bracketed returns the length of the IPv6 address in brackets that s begins with, or 0.
func bracketed(s string) int {
	if !strings.HasPrefix(s, "[") {
		return 0
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return 0
	}
	if _, err := netip.ParseAddr(s[1:end]); err != nil {
		return 0
	}
	return end + 1
}

// kindOfArgs takes the type from the front of args. A port, or an address and a port, without a type mean tcp.
func kindOfArgs(s string, args []arg) (kind, []arg, error) {
	tcp := kinds[0]
	first := args[0]
	if first.key != "" {
		return kind{}, nil, faultf("no type before %q", first.key+"="+first.value).suggest("begin with a type, such as %q", "tcp:8080")
	}
	if k, ok := kindOf(strings.ToLower(first.value)); ok {
		return k, args[1:], nil
	}
	switch {
	case s == "":
		return kind{}, nil, faultf("empty").suggest("a port such as 8080, or %q", "unix:/run/x.sock")
	case strings.HasPrefix(s, "::"):
		return kind{}, nil, tcp.tooMany(s, strings.TrimLeft(s, ":"))
	case first.value == "" && len(args) > 1:
		return tcp, args[1:], nil
	case digits(first.value), len(args) > 1 && bareHost(first.value):
		return tcp, args, nil
	}
	return kind{}, nil, unknownType(s, first.value)
}

// bareHost reports whether a first part can only be a host: a single word could as well be a mistyped type.
func bareHost(s string) bool {
	if s == "*" || s == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil || strings.Contains(s, ".") && hostName(s)
}

func unknownType(s, word string) error {
	low := strings.ToLower(word)
	if low == "stdio" {
		return faultf("a service cannot listen on standard input and output").suggest("for trying things out take %q", "tcp:8080:interface=127.0.0.1")
	}
	if strings.Contains(word, "/") {
		return faultf("no type before the path %q", word).suggest("did you mean %q?", "unix:"+s)
	}
	guess := map[string]string{"tls": "ssl", "https": "ssl", "http": "tcp", "tcp4": "tcp", "udp6": "udp", "file": "unix"}[low]
	names := []string{"haproxy"}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	if guess == "" {
		guess = suggest.Nearest(low, names)
	}
	f := faultf("unknown type %q", word)
	if guess == "" {
		return f.suggest("the types are %s; a host goes after the port: %q", strings.Join(names, ", "), "tcp:8080:interface="+word)
	}
	// A word with an escape in it is not literally in s.
	if rest, ok := strings.CutPrefix(s, word); ok {
		if _, err := parse(guess + rest); err == nil {
			return f.suggest("did you mean %q?", guess+rest)
		}
	}
	return f.suggest("did you mean %q?", guess)
}

// build assigns the parts to their keys.
func (k kind) build(s string, args []arg) (Spec, error) {
	spec := Spec{kind: k.name, index: -1, mode: defaultMode}
	if k.name == "ssl" {
		spec.key = defaultKey
	}
	order := k.order(args)
	given := map[string]bool{}
	for _, a := range args {
		key := a.key
		if key == "" {
			if len(order) == 0 {
				return Spec{}, k.tooMany(s, a.value)
			}
			if key, order = order[0], order[1:]; given[key] {
				return Spec{}, k.tooMany(s, a.value)
			}
		}
		if !slices.Contains(k.keys, key) {
			return Spec{}, k.unknownKey(key)
		}
		if given[key] {
			return Spec{}, faultf("%s is given twice", key)
		}
		given[key] = true
		if err := spec.set(key, a.value); err != nil {
			return Spec{}, k.explain(s, key, err)
		}
	}
	if k.need != "" && !given[k.need] {
		return Spec{}, faultf("%s: no %s", k.name, k.need).suggest("such as %q", k.example)
	}
	return spec, spec.check(given)
}

// order returns the keys of the parts given by position. HOST:PORT, as everybody else writes it, is told from twistd's
// PORT:INTERFACE by what is a number.
func (k kind) order(args []arg) []string {
	if !k.inet() || len(args) < 2 || args[0].key != "" || args[1].key != "" || digits(args[0].value) || !digits(args[1].value) {
		return k.keys[:k.positional]
	}
	order := []string{"interface", "port"}
	for _, key := range k.keys[1:k.positional] {
		if key != "interface" {
			order = append(order, key)
		}
	}
	return order
}

func (k kind) tooMany(s, value string) error {
	f := faultf("%s: one part too many: %q", k.name, value)
	if k.inet() && strings.Contains(s, "::") {
		return f.suggest("an IPv6 address goes in brackets: %q", k.name+":8080:interface=[::1]")
	}
	if k.positional < len(k.keys) {
		return f.suggest("the rest goes by key: %s", strings.Join(k.keys[k.positional:], ", "))
	}
	return f.suggest("such as %q", k.example)
}

func (k kind) unknownKey(key string) error {
	f := faultf("%s: unknown key %q", k.name, key)
	if hint, ok := obsolete[key]; ok {
		return f.suggest("%s", hint)
	}
	for _, known := range k.keys {
		if strings.EqualFold(key, known) {
			return f.suggest("did you mean %q?", known)
		}
	}
	if known := suggest.Nearest(key, k.keys); known != "" {
		return f.suggest("did you mean %q?", known)
	}
	return f.suggest("%s takes %s", k.name, strings.Join(k.keys, ", "))
}

// explain adds a hint to a bad value where the whole description shows what was meant.
func (k kind) explain(s, key string, err *fault) error {
	if k.inet() && err.hint == "" {
		switch key {
		case "port":
			err.hint = "such as " + strconv.Quote(k.example)
		case "interface":
			err.hint = "an address of this host, such as 127.0.0.1, or [::1] in brackets"
		}
	}
	return err
}

// set parses one value.
func (s *Spec) set(key, value string) *fault {
	if value == "" && key != "interface" {
		return faultf("%s is empty", key)
	}
	switch key {
	case "port":
		return number(&s.port, key, value, 0, 65535)
	case "backlog":
		return number(&s.backlog, key, value, 1, 1<<16-1)
	case "index":
		return number(&s.index, key, value, 0, 1<<16-1)
	case "fd":
		return number(&s.fd, key, value, 0, 1<<20)
	case "interface":
		return s.setHost(value)
	case "mode":
		n, err := strconv.ParseUint(value, 8, 32)
		if err != nil || n > 0o777 {
			return faultf("mode %q: not an octal number up to 777", value).suggest("660 lets owner and group connect, 666 everybody")
		}
		s.mode = fs.FileMode(n)
	case "domain":
		s.domain = strings.TrimPrefix(strings.ToUpper(value), "AF_")
		if !slices.Contains([]string{"INET", "INET6", "UNIX"}, s.domain) {
			return faultf("domain %q: not INET, INET6 or UNIX", value)
		}
	default:
		*map[string]*string{"address": &s.path, "privateKey": &s.key, "certKey": &s.cert, "extraCertChain": &s.chain, "name": &s.name}[key] = value
	}
	return nil
}

func number(to *int, key, value string, low, high int) *fault {
	n, err := strconv.Atoi(value)
	if err != nil || !digits(value) || n < low || n > high {
		return faultf("%s %q: not a number from %d to %d", key, value, low, high)
	}
	*to = n
	return nil
}

func (s *Spec) setHost(value string) *fault {
	if value == "" || value == "*" {
		return nil
	}
	if bracketed(value) == len(value) {
		value = value[1 : len(value)-1]
	}
	addr, err := netip.ParseAddr(value)
	if err == nil {
		if addr = addr.Unmap(); addr.Zone() != "" && !hostName(addr.Zone()) {
			return faultf("interface %q: not a zone: %q", value, addr.Zone())
		}
		s.host = addr.String()
		if s.kind == "tcp6" && addr.Is4() {
			return faultf("interface %q: not an IPv6 address", value).suggest("take the type tcp")
		}
		return nil
	}
	if digits(value) || !hostName(value) {
		return faultf("interface %q: neither an address nor a host name", value)
	}
	s.host = value
	return nil
}

// check looks at the parts together.
func (s *Spec) check(given map[string]bool) error {
	switch {
	case s.kind == "systemd" && given["index"] == given["name"]:
		return faultf("systemd: needs either index or name").suggest("such as %q", "systemd:name=web.socket")
	case s.abstract() && runtime.GOOS != "linux":
		return faultf("address %q: abstract sockets exist on Linux only", s.path).suggest(`for a file of that name write "./%s"`, s.path)
	case s.abstract() && given["mode"]:
		return faultf("mode: an abstract socket has none")
	case s.path == "@":
		return faultf("address %q: no name after the @", s.path)
	}
	return nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// hostName allows what host names and interface names are made of; whether one exists is found out later.
func hostName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}
