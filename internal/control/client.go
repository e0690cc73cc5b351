package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNotRunning says that nobody listens on the control socket: it is missing, or left behind by a dead process.
var ErrNotRunning = errors.New("not running")

// maxAnswer bounds what a client reads, in bytes.
const maxAnswer = 16 << 20

// Client talks to the gtwistd behind a control socket. Each call makes a connection of its own and ends when its ctx does,
// whatever the other side is doing; there is nothing to close. It is safe for concurrent use.
//
// An error wraps ErrNotRunning, fs.ErrPermission (the socket belongs to another user) or errors.ErrUnsupported where they
// apply; if the daemon refused it is the text of the daemon's error, with its Hint.
type Client struct {
	path string
	http http.Client
}

// Dial returns a client for the socket at path. It does not connect yet.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			abs, err := filepath.Abs(path)
			if err != nil {
				return nil, err
			}
			return dial(ctx, abs)
		},
	}
	return c
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := c.call(ctx, http.MethodGet, "status")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("control socket %q: answer not understood: %w", c.path, err)
	}
	return s, nil
}

// Stop asks the daemon to stop and returns when it has begun to. It is gone when its pidfile's lock is free.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "stop")
	return err
}

// Reload asks the daemon to reload and returns when it has, or why it could not: the errors of all its services.
func (c *Client) Reload(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "reload")
	return err
}

// Reopen asks the daemon to open its logs anew and returns when it has.
func (c *Client) Reopen(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, "reopen")
	return err
}

func (c *Client) call(ctx context.Context, method, what string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://gtwistd/v1/"+what, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.explain(ctx, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("control socket %q: answer longer than %d bytes", c.path, maxAnswer)
	case resp.StatusCode < 300:
		return body, nil
	}
	var no refusal
	if json.Unmarshal(body, &no) == nil && no.Text != "" {
		return nil, &no
	}
	return nil, fmt.Errorf("control socket %q: %s: %s", c.path, resp.Status, strings.TrimSpace(string(bytes.ToValidUTF8(body, nil))))
}

// explain replaces what *url.Error says, which names a URL that nobody typed.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		err = ErrNotRunning
	default:
		err = plain(err)
	}
	return fmt.Errorf("control socket %q: %w", c.path, err)
}
