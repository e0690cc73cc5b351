package endpoint

import (
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
)

// Spec is a parsed description. It is comparable: two descriptions of the same endpoint are equal, however they were
// written. The zero value describes nothing.
type Spec struct {
	kind  string // one of the names in kinds
	proxy bool   // behind "haproxy:"

	host    string // IP address or name, "" for all interfaces
	port    int
	backlog int // 0 for the most that the system allows

	path string      // unix
	mode fs.FileMode // unix

	key, cert, chain string // ssl: PEM files; an empty cert means that key holds both

	domain string // systemd: INET, INET6, UNIX or "" for any
	name   string // systemd: "" to go by index
	index  int    // systemd
	fd     int
}

const (
	defaultMode = 0o660
	defaultKey  = "server.pem"
)

// kind is a type of endpoint with the keys it understands. The first of them may be given by position.
type kind struct {
	name       string
	keys       []string
	positional int
	need       string // the key that cannot be left out
	example    string
}

var kinds = []kind{
	{"tcp", []string{"port", "interface", "backlog"}, 2, "port", "tcp:8080"},
	{"tcp6", []string{"port", "interface", "backlog"}, 2, "port", "tcp6:8080"},
	{"udp", []string{"port", "interface"}, 2, "port", "udp:8080"},
	{"unix", []string{"address", "mode", "backlog"}, 2, "address", "unix:/run/x.sock"},
	{"ssl", []string{"port", "privateKey", "certKey", "extraCertChain", "interface", "backlog"}, 3, "port",
		"ssl:8443:privateKey=key.pem:certKey=cert.pem"},
	{"systemd", []string{"domain", "index", "name"}, 0, "", "systemd:name=web.socket"},
	{"fd", []string{"fd"}, 1, "fd", "fd:3"},
}

// obsolete are keys of twistd that have no meaning here, each with a hint.
var obsolete = map[string]string{
	"sslmethod":    "leave it out: TLS 1.2 and later are always on",
	"dhParameters": "leave it out: key exchange is by elliptic curves",
	"lockfile":     "leave it out: a live socket is never taken over, a stale one is replaced",
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

func (k kind) inet() bool { return k.need == "port" }

// String returns the canonical description, which Parse turns back into the same Spec.
func (s Spec) String() string {
	var b strings.Builder
	if s.proxy {
		b.WriteString("haproxy:")
	}
	b.WriteString(s.kind)
	add := func(key, value string) {
		b.WriteByte(':')
		if key != "" {
			b.WriteString(key)
			b.WriteByte('=')
		}
		b.WriteString(escape(value))
	}
	switch s.kind {
	case "unix":
		add("", s.path)
		if s.mode != defaultMode && !s.abstract() {
			add("mode", strconv.FormatUint(uint64(s.mode), 8))
		}
	case "systemd":
		if s.domain != "" {
			add("domain", s.domain)
		}
		if s.name != "" {
			add("name", s.name)
		} else {
			add("index", strconv.Itoa(s.index))
		}
	case "fd":
		add("", strconv.Itoa(s.fd))
	case "":
		return ""
	default:
		s.inetParts(&b, add)
	}
	if s.backlog != 0 {
		add("backlog", strconv.Itoa(s.backlog))
	}
	return b.String()
}

func (s Spec) inetParts(b *strings.Builder, add func(key, value string)) {
	add("", strconv.Itoa(s.port))
	if strings.Contains(s.host, ":") {
		b.WriteString(":interface=[" + s.host + "]")
	} else if s.host != "" {
		add("interface", s.host)
	}
	if s.kind != "ssl" {
		return
	}
	if s.key != defaultKey {
		add("privateKey", s.key)
	}
	if s.cert != "" {
		add("certKey", s.cert)
	}
	if s.chain != "" {
		add("extraCertChain", s.chain)
	}
}

func escape(value string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `=`, `\=`).Replace(value)
}

// abstract reports whether the unix socket has a name in the kernel instead of a file (unix(7)).
func (s Spec) abstract() bool { return strings.HasPrefix(s.path, "@") }

// network is the name that package net has for the sockets of an internet endpoint. An address decides the family; without
// one, tcp, udp and ssl take IPv4 and IPv6 as far as the host has them.
func (s Spec) network() string {
	base := "tcp"
	if s.kind == "udp" {
		base = "udp"
	}
	if s.kind == "tcp6" {
		return "tcp6"
	}
	addr, err := netip.ParseAddr(s.host)
	switch {
	case err != nil:
		return base
	case addr.Is4():
		return base + "4"
	}
	return base + "6"
}
