package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// setup is what a server is asked to do: the zero value is plain HTTP without an access log.
type setup struct {
	tls    bool
	access string // where records go: a file in the directory of the run, "log" for gtwistd's own log, or nowhere
}

// site is a server's answer to a setup while it runs.
type site struct {
	addr, url string
	pid       int
}

// watch looks at a server while measure puts load on it.
func (s site) watch(ctx context.Context, measure func(context.Context, site) (float64, error)) (contest.Result, error) {
	return contest.Watch(s.pid, func() (float64, error) { return measure(ctx, s) })
}

// turn starts a server for a setup, lets visit see it at work, stops it and removes its logs. It is an error if an access
// log was asked for and there is none. Lines are those that the access log has.
func (b *bench) turn(ctx context.Context, name string, s setup, visit func(site) (contest.Result, error)) (r contest.Result, lines int, err error) {
	addr, port, err := contest.FreeAddr()
	if err != nil {
		return r, 0, err
	}
	args, err := b.command(name, s, addr, port)
	if err != nil {
		return r, 0, err
	}
	logged := map[string]string{"log": b.File("own.log"), "": os.DevNull}[s.access]
	if logged == "" {
		logged = b.File(s.access)
	}
	defer os.Remove(b.File("own.log"))
	defer os.Remove(b.File("access.log"))
	scheme := "http://"
	if s.tls {
		scheme = "https://"
	}
	r, err = b.Under(ctx, addr, args, func(pid int) (contest.Result, error) {
		return visit(site{addr, scheme + addr, pid})
	})
	if err != nil || s.access == "" {
		return r, 0, err
	}
	data, err := os.ReadFile(logged)
	if lines = bytes.Count(data, []byte("/small.txt")); err == nil && lines == 0 {
		err = fmt.Errorf("%s has no record", logged)
	}
	return r, lines, err
}

// command is the command line of a server, after its configuration is written.
func (b *bench) command(name string, s setup, addr, port string) ([]string, error) {
	switch name {
	case "nginx":
		return b.nginxCommand(s, addr)
	case "caddy":
		return b.caddyCommand(s, port)
	case "twistd":
		return []string{b.twistd, "-n", "--pidfile=", "--logfile", b.File("own.log"), "web",
			"--listen", "tcp:" + port + ":interface=127.0.0.1", "--path", b.site, "--logfile", b.File("access.log")}, nil
	}
	access := s.access
	switch access {
	case "":
		access = "off"
	case "access.log":
		access = b.File(access)
	}
	endpoint := "tcp:" + port
	if s.tls {
		endpoint = fmt.Sprintf("ssl:%s:privateKey=%s:certKey=%s", port, b.File("key.pem"), b.File("cert.pem"))
	}
	return []string{b.Gtwistd, "-n", "--pidfile=", "--logfile", b.File("own.log"), "web",
		"--listen", endpoint + ":interface=127.0.0.1", "--path", b.site, "--access-log", access}, nil
}

// nginxCommand configures nginx as an administrator would who has one core and no reason to close connections. What is not
// here is as nginx has it: no open_file_cache, access records written one by one.
func (b *bench) nginxCommand(s setup, addr string) ([]string, error) {
	user, mime, access, listen := "", "", "off", addr
	if os.Geteuid() == 0 {
		user = "user root;\nworker_rlimit_nofile 20000;" // the directory of the run is closed to others
	}
	if _, err := os.Stat("/etc/nginx/mime.types"); err == nil {
		mime = "include /etc/nginx/mime.types;"
	}
	if s.access != "" {
		access = b.File(s.access) + " combined"
	}
	if s.tls {
		// Go's server takes this cipher of TLS 1.3 where the processor has AES, OpenSSL's another one: both shall do the same.
		listen += " ssl http2;\nssl_certificate " + b.File("cert.pem") + ";\nssl_certificate_key " + b.File("key.pem") +
			";\nssl_protocols TLSv1.2 TLSv1.3;\nssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256"
	}
	var temporary string
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += kind + "_temp_path " + b.File(kind) + ";\n"
	}
	text := fmt.Sprintf(`daemon off;
%s
worker_processes 1;
pid %s;
events { worker_connections 16384; }
http {
	%s
	default_type application/octet-stream;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	access_log %s;
	%s
	server {
		listen %s;
		root %s;
		autoindex on;
	}
}
`, user, b.File("nginx.pid"), mime, access, temporary, listen, b.site)
	config := b.File("nginx.conf")
	return []string{b.nginx, "-p", string(b.Dir), "-e", b.File("nginx-error.log"), "-c", config}, os.WriteFile(config, []byte(text), 0o644)
}

// caddyCommand configures Caddy for a directory, with its defaults. It does not speak TLS here.
func (b *bench) caddyCommand(s setup, port string) ([]string, error) {
	access := ""
	if s.access != "" {
		access = "log {\n\t\toutput file " + b.File(s.access) + "\n\t}"
	}
	text := fmt.Sprintf(`{
	admin off
	auto_https off
}
http://:%s {
	bind 127.0.0.1
	root * %s
	file_server browse
	%s
}
`, port, b.site, access)
	config := b.File("Caddyfile")
	home := filepath.Join(string(b.Dir), "caddy") // it keeps what it was last told in its home
	return []string{"env", "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home,
		b.caddy, "run", "--adapter", "caddyfile", "--config", config}, os.WriteFile(config, []byte(text), 0o644)
}
