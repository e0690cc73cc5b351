package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Server is a bound control socket. Listen makes one; Serve or Close ends it.
type Server struct {
	bound
	path    string
	uids    []int
	closing sync.Once
}

// bound is a socket that listens.
type bound struct {
	listener net.Listener
	file     fs.FileInfo // to know it again
	kept     error       // why the socket is not the owner's; nil if it is
}

// Owner is the user and the group that the process becomes once its start is over.
type Owner struct{ UID, GID int }

// Listen binds the control socket at path, with mode 0600, for the users whose ids are given and nobody else. It belongs to
// the owner; nil means the effective user. Where it cannot be given away safely it stays the effective user's, and Serve
// says so. A socket left behind by a dead process is replaced; a live one, or a file that is no socket, is an error that
// wraps fs.ErrExist. Where there are no unix sockets the error wraps errors.ErrUnsupported.
func Listen(path string, owner *Owner, uids []int) (*Server, error) {
	fail := func(err error) (*Server, error) { return nil, fmt.Errorf("control socket %q: %w", path, plain(err)) }
	abs, err := filepath.Abs(path)
	if err != nil {
		return fail(err)
	}
	b, err := listen(abs, owner)
	if err != nil {
		return fail(err)
	}
	return &Server{bound: b, path: abs, uids: slices.Clone(uids)}, nil
}

// plain leaves out what *os.PathError, *os.LinkError and *net.OpError say about the temporary name behind the operand.
func plain(err error) error {
	var sys *os.SyscallError
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &sys):
		return sys.Err
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// Close removes the socket, if the path is still ours, and stops listening. It may be called again.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(s.file, now) {
			if err = os.Remove(s.path); err != nil {
				err = fmt.Errorf("not removed: %w", plain(err))
			}
		}
		err = errors.Join(err, s.listener.Close())
	})
	return err
}

// Limits for a peer that is one of our own and asks for a few hundred bytes.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
	lastWords      = 2 * time.Second // for the answers under way when Serve ends, and once more after their clients are cut off
)

// Serve answers requests until ctx is done, then removes the socket, waits for the answers under way and returns nil. It
// waits some seconds at most: a Reload that hangs, on a disk for example, must not keep the process from ending, and is an
// error. What is asked of the daemon, and who is refused, goes to log.
func (s *Server) Serve(ctx context.Context, log *slog.Logger, a Actions) error {
	if s.kept != nil {
		log.Warn("control: only root can use the socket", "error", s.kept)
	}
	h := &handler{log: log, uids: s.uids, actions: a}
	srv := &http.Server{
		Handler:           h.routes(ctx),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, askPeer(c))
		},
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.listener) }()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		served <- nil
	}
	closed := s.Close()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if srv.Shutdown(last) != nil {
		_ = srv.Close() // the rest hangs on clients that do not read
	}
	if !h.finish(lastWords) {
		failed = errors.Join(failed, errors.New("what was asked for last has not ended"))
	}
	<-served
	if failed = errors.Join(failed, closed); failed != nil {
		return fmt.Errorf("control socket %q: %w", s.path, failed)
	}
	return nil
}

// peer is the process at the other end.
type peer struct {
	uid, pid int // pid 0: the system does not tell
	err      error
}

type peerKey struct{}

func askPeer(c net.Conn) peer {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return peer{err: errors.New("not a unix socket")}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return peer{err: err}
	}
	var p peer
	if err := raw.Control(func(fd uintptr) { p = credentials(int(fd)) }); err != nil {
		return peer{err: err}
	}
	return p
}

// handler answers the requests of one Serve.
type handler struct {
	log     *slog.Logger
	uids    []int
	actions Actions

	mu      sync.Mutex
	running int           // requests under way
	idle    chan struct{} // made by finish, which lets no other request begin; closed when the last one has ended
}

// begin reports whether a request may run; end follows it then.
func (h *handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.idle != nil {
		return false
	}
	h.running++
	return true
}

func (h *handler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	h.closeIfIdle()
}

func (h *handler) closeIfIdle() {
	if h.idle != nil && h.running == 0 {
		close(h.idle)
	}
}

// finish lets no other request begin and reports whether those under way have ended within d.
func (h *handler) finish(d time.Duration) bool {
	h.mu.Lock()
	h.idle = make(chan struct{})
	h.closeIfIdle()
	h.mu.Unlock()
	select {
	case <-h.idle:
		return true
	case <-time.After(d):
		return false
	}
}

// routes returns what answers; ctx is that of a Reload or Reopen.
func (h *handler) routes(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", h.status)
	mux.HandleFunc("POST /v1/stop", h.stop)
	mux.HandleFunc("POST /v1/reload", h.action(ctx, "reload", h.actions.Reload))
	mux.HandleFunc("POST /v1/reopen", h.action(ctx, "reopen", h.actions.Reopen))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.begin() {
			return
		}
		defer h.end()
		p, _ := r.Context().Value(peerKey{}).(peer)
		switch {
		case p.err != nil:
			h.log.Warn("control: cannot tell who asks", "error", p.err)
			refuse(w, http.StatusForbidden, fmt.Errorf("cannot tell who asks: %w", p.err))
		case !slices.Contains(h.uids, p.uid):
			h.log.Warn("control: refused", "uid", p.uid, "pid", p.pid, "request", r.URL.Path)
			refuse(w, http.StatusForbidden, fmt.Errorf("user id %d may not control this gtwistd", p.uid))
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, h.actions.Status())
}

func (h *handler) stop(w http.ResponseWriter, r *http.Request) {
	h.asked("stop", r)
	w.WriteHeader(http.StatusAccepted)
	h.actions.Stop()
}

func (h *handler) action(ctx context.Context, name string, do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.asked(name, r)
		if err := do(ctx); err != nil {
			h.log.Error("control: "+name, "error", err) // who reads the log did not ask
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *handler) asked(what string, r *http.Request) {
	p, _ := r.Context().Value(peerKey{}).(peer)
	h.log.Info("control: "+what+" requested", "uid", p.uid, "pid", p.pid)
}

// refusal is the body of an answer that is not a success.
type refusal struct {
	Text string `json:"error"`
	Help string `json:"hint,omitempty"`
}

func (e *refusal) Error() string { return e.Text }

// Hint returns what the daemon's error advised; empty if it did not.
func (e *refusal) Hint() string { return e.Help }

func refuse(w http.ResponseWriter, code int, err error) {
	body := refusal{Text: err.Error()}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		body.Help = hinted.Hint()
	}
	w.Header().Set("Connection", "close")
	answer(w, code, body)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that went away
}
