package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gtwistd/gtwistd/daemon"
	"github.com/gtwistd/gtwistd/internal/endpoint"
	"github.com/gtwistd/gtwistd/plugins"
)

// announce says that every listener is bound: to the person who typed the command, the log, and the service manager.
func (r *runner) announce(redirection *daemon.Redirection) error {
	hello := r.welcome(r.startText(time.Since(r.started).Round(time.Millisecond)))
	if r.parent != nil {
		r.logReady(slog.LevelInfo)
		line, err := hello.encode()
		if err != nil {
			return err
		}
		return r.parent.Ready(line)
	}
	stdout, stderr := r.stdout, r.stderr
	if redirection != nil {
		stdout, stderr = redirection.Original()
	}
	level := slog.LevelInfo
	if r.paths.logfile == "" && !r.opts.syslog {
		stdout = stderr // stdout belongs to the log
		if r.logs.console {
			level = slog.LevelDebug // the person has just read it
		}
	}
	r.tellNotes(stderr)
	_ = r.show(hello, stdout, stderr) // who cannot be told can still be served
	r.logReady(level)
	r.notify("READY=1")
	if why := r.cannotOpen(); why == "" {
		r.openPages(hello.Pages, func(note string) { r.log.Warn(note) })
	} else if len(hello.Pages) > 0 {
		r.notes = append(r.notes, "no browser opened: "+why)
	}
	r.tellNotes(stderr)
	return nil
}

// logReady puts on record what was bound and what is served, and waits until that is written: what follows may be a crash.
func (r *runner) logReady(level slog.Level) {
	ctx := context.Background()
	for _, s := range r.services {
		for _, info := range r.endpoints.Listeners(s.name) {
			s.env.Log.Log(ctx, level, "listening", "endpoint", info.Spec, "address", info.Addr)
		}
		if report := s.report(); len(report) > 0 {
			s.env.Log.LogAttrs(ctx, level, "serving", report...)
		}
	}
	r.log.Log(ctx, level, "ready", "pid", os.Getpid(), "version", version())
	r.logs.flush(time.Second)
}

// startText is one block for each service and a line on how to go on.
func (r *runner) startText(took time.Duration) string {
	var b strings.Builder
	for _, s := range r.services {
		lines := r.urls(s)
		for _, attr := range s.report() {
			lines = append(lines, attr.Key+" "+printable(attr.Value.String()))
		}
		indent := strings.Repeat(" ", len(s.name)+2)
		fmt.Fprintf(&b, "%s: %s\n", s.name, strings.Join(lines, "\n"+indent))
	}
	log := "stdout"
	switch {
	case r.opts.syslog:
		log = "system log"
	case r.paths.logfile != "":
		log = r.paths.logfile
	}
	fmt.Fprintf(&b, "ready in %v, pid %d, log %s, stop: %s\n", took, os.Getpid(), log, r.howToStop())
	return b.String()
}

func (r *runner) howToStop() string {
	switch {
	case r.parent == nil && r.terminal != nil:
		return "Ctrl-C"
	case r.opts.pidfile == "" || r.parent == nil:
		return fmt.Sprintf("kill %d", os.Getpid())
	case r.opts.pidfile == defaultPidfile:
		return r.name + " stop"
	}
	return fmt.Sprintf("%s --pidfile %s stop", r.name, r.opts.pidfile)
}

// urls are the addresses of a service as a person can click or copy them, loopback first.
func (r *runner) urls(s *service) []string {
	var urls []string
	for _, info := range r.endpoints.Listeners(s.name) {
		urls = append(urls, r.urlsOf(s, info)...)
	}
	return urls
}

// urlsOf are those of one listener. A socket has no path that could be told in its URL.
func (r *runner) urlsOf(s *service, info endpoint.Info) []string {
	urls := info.URLs(s.plugin.Scheme, r.addresses)
	announcer, ok := s.running.(plugins.Announcer)
	if !ok || info.Network == "unix" {
		return urls
	}
	path := (&url.URL{Path: announcer.Announcement().Path}).EscapedPath()
	for i := range urls {
		urls[i] += path
	}
	return urls
}

// printable quotes a value that would do something to a terminal.
func printable(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return strconv.Quote(s)
	}
	return s
}
