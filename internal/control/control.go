// Package control lets another process talk to a running gtwistd: HTTP with JSON over a unix socket that lies beside the
// pidfile. The Server belongs to the daemon, the Client to `gtwistd status`, stop, reload and reopen. What the requests do
// is given by the caller as Actions; this package owns the socket and the words on the wire. Only the users it is told may
// ask: the socket has mode 0600 from its first moment, and the kernel is asked who is at the other end.
//
//	GET  /v1/status   200 and a Status
//	POST /v1/stop     202, then the stop begins
//	POST /v1/reload   204, or 500 and {"error": "…", "hint": "…"}
//	POST /v1/reopen   likewise
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Actions are what the daemon does when it is asked. They are called from several goroutines at once.
type Actions struct {
	// Status returns the present state.
	Status func() Status
	// Stop begins the stop and returns at once.
	Stop func()
	// Reload and Reopen return when they are done. Their ctx is Serve's, so that a client that goes away does not
	// interrupt them; the text of their error reaches the client whole.
	Reload, Reopen func(ctx context.Context) error
}

// Status is what a running gtwistd says about itself. The names of its JSON fields are stable.
type Status struct {
	// State is "starting", "running", "reloading" or "stopping".
	State   string `json:"state"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Started is zero in a Status that a client made of what the pidfile tells: State, Pidfile and, unless it is 0, PID. The
	// JSON and the text then leave out all else.
	Started time.Time `json:"started"`
	// UptimeSeconds is the time since Started, by a clock that nobody sets back.
	UptimeSeconds int64 `json:"uptime_seconds"`
	// Pidfile, Logfile and Rundir are absolute paths; empty where there is none.
	Pidfile string `json:"pidfile"`
	Logfile string `json:"logfile"`
	Rundir  string `json:"rundir"`
	// LogDropped counts the log records that were lost since the start.
	LogDropped uint64 `json:"log_dropped"`
	// LogError is why the log cannot be written at present; empty while it can.
	LogError string    `json:"log_error,omitempty"`
	Services []Service `json:"services"`
	Pool     Pool      `json:"pool"`
}

// Service is one running service.
type Service struct {
	// Name is the instance's name, Plugin the subcommand it came from.
	Name   string `json:"name"`
	Plugin string `json:"plugin"`
	// State is the service's own; it is told to people only where it differs from the program's.
	State     string     `json:"state"`
	Listeners []Listener `json:"listeners"`
	// Connections counts the open ones.
	Connections int `json:"connections"`
	// Accepted is how many connections there ever were, Dropped how many of them were closed for lack of a PROXY header.
	Accepted uint64 `json:"accepted"`
	Dropped  uint64 `json:"dropped"`
	// Report is what the service adds, in its order.
	Report Report `json:"report"`
}

// Listener is one bound socket.
type Listener struct {
	// URL is for people to click on; empty if there is none.
	URL string `json:"url,omitempty"`
	// Address and Network are those of net.Addr.
	Address string `json:"address"`
	Network string `json:"network"`
	// Spec is the description it was bound from.
	Spec string `json:"spec"`
	TLS  bool   `json:"tls"`
}

// Pool is the worker pool's figures.
type Pool struct {
	Size       int    `json:"size"`
	Busy       int    `json:"busy"`
	Idle       int    `json:"idle"`
	Queued     int    `json:"queued"`
	QueueLimit int    `json:"queue_limit"`
	Done       uint64 `json:"done"`
	Rejected   uint64 `json:"rejected"`
	Panics     uint64 `json:"panics"`
	// Waited counts the calls that had to queue.
	Waited           uint64  `json:"waited"`
	WaitTotalSeconds float64 `json:"wait_total_seconds"`
	WaitMaxSeconds   float64 `json:"wait_max_seconds"`
}

// MarshalJSON writes what is known. Lists that are empty are never null: `jq '.services[]'` works for every process that
// answered.
func (s Status) MarshalJSON() ([]byte, error) {
	if s.Started.IsZero() {
		return json.Marshal(struct {
			State   string `json:"state"`
			PID     int    `json:"pid,omitzero"`
			Pidfile string `json:"pidfile"`
		}{s.State, s.PID, s.Pidfile})
	}
	type fields Status
	if s.Services == nil {
		s.Services = []Service{}
	}
	return json.Marshal(fields(s))
}

// MarshalJSON does the same for the listeners.
func (s Service) MarshalJSON() ([]byte, error) {
	type fields Service
	if s.Listeners == nil {
		s.Listeners = []Listener{}
	}
	return json.Marshal(fields(s))
}

// Report is a list of names with values; in JSON it is an object in the same order.
type Report []Field

// Field is one line of a Report.
type Field struct{ Name, Value string }

// MarshalJSON writes an object.
func (r Report) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []struct{ text, after string }{{f.Name, ":"}, {f.Value, ""}} {
			quoted, err := json.Marshal(part.text)
			if err != nil {
				return nil, err
			}
			b.Write(quoted)
			b.WriteString(part.after)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object of strings and keeps its order; null is an empty Report.
func (r *Report) UnmarshalJSON(data []byte) error {
	*r = nil
	d := json.NewDecoder(bytes.NewReader(data))
	switch open, err := d.Token(); {
	case err != nil:
		return err
	case open == nil:
		return nil
	case open != json.Delim('{'):
		return fmt.Errorf("report: %v is not an object", open)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		f := Field{Name: name.(string)}
		if err := d.Decode(&f.Value); err != nil {
			return fmt.Errorf("report %q: %w", f.Name, err)
		}
		*r = append(*r, f)
	}
	_, err := d.Token()
	return err
}

// SocketPath returns the path of the control socket that belongs to a pidfile: "gtwistd.pid" has "gtwistd.sock" beside it,
// and a name that does not end in .pid has .sock added. No pidfile, no socket: it returns "" for "".
func SocketPath(pidfile string) string {
	if pidfile == "" {
		return ""
	}
	if base := filepath.Base(pidfile); base != ".pid" {
		pidfile = strings.TrimSuffix(pidfile, ".pid")
	}
	return pidfile + ".sock"
}
