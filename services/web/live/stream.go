package live

import (
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	streamPath = "/.gtwistd/live"
	scriptPath = "/.gtwistd/live.js"

	// heartbeat is short enough for what stands between to keep an idle connection, and finds out who has gone.
	heartbeat = 15 * time.Second
	// writeTimeout is how long a browser may take to accept a line.
	writeTimeout = 10 * time.Second
	// reconnect is how long a browser waits before it connects again, to a server that may be starting.
	reconnect = time.Second
	// maxStreams is how many browsers are told at a time: --live is for the few who work on a site.
	maxStreams = 256
)

//go:embed live.js
var script string

// stream answers with server-sent events (HTML standard, section 9.2) until the browser leaves or Run ends. Each event is what
// the browser has to do, its id the version it has then.
func (l *Live) stream(w http.ResponseWriter, r *http.Request) {
	if !forReading(w, r) {
		return
	}
	defer l.streams.Add(-1)
	if l.streams.Add(1) > maxStreams {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many browsers are told of changes", http.StatusServiceUnavailable)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // for a proxy in between, as nginx understands it
	if r.Method == http.MethodHead {
		return
	}
	select {
	case <-l.watching:
	case <-l.done:
		return
	case <-r.Context().Done():
		return
	}
	seen := r.URL.Query().Get("since")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		seen = last
	}
	out := http.NewResponseController(w)
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }() // it would stay for the connection's next request
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for text := fmt.Sprintf("retry: %d\n", reconnect.Milliseconds()); ; text = "" {
		now, next := l.current()
		text += event(now, seen)
		seen = now.String()
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every ResponseWriter has one; those of net/http do
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-next:
		case <-beat.C:
		case <-l.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// event is the text for a browser that has seen a version. Without anything to do it only says which version it is.
func event(now version, seen string) string {
	todo := now.since(seen)
	if todo == "" {
		return fmt.Sprintf("id: %s\n\n", now)
	}
	return fmt.Sprintf("id: %s\ndata: %s\n\n", now, todo)
}

func serveScript(w http.ResponseWriter, r *http.Request) {
	if !forReading(w, r) {
		return
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, script) // whoever has gone does not need it
}

// forReading answers what is neither GET nor HEAD.
func forReading(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	return false
}
