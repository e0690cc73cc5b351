package daemon

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// notifyPatience bounds a message to a service manager that does not read.
const notifyPatience = time.Second

// Notifier tells the service manager how this process is doing, by the protocol of sd_notify(3). A nil *Notifier does
// nothing. Safe for concurrent use.
type Notifier struct {
	conn *net.UnixConn
}

// OpenNotifier connects to socket, the value of NOTIFY_SOCKET: a path, or "@" and a name in Linux's abstract namespace.
// For an empty value it returns nil. The connection outlives a chroot and a change of user. The caller closes it.
func OpenNotifier(socket string) (*Notifier, error) {
	if socket == "" {
		return nil, nil
	}
	if socket[0] != '/' && socket[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: neither a path nor an abstract name", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: %w", socket, err)
	}
	return &Notifier{conn: conn}, nil
}

// Notify sends assignments such as "READY=1", "STOPPING=1", "MAINPID=42" or "STATUS=3 services" as one message.
func (n *Notifier) Notify(assignments ...string) error {
	if n == nil {
		return nil
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(notifyPatience)); err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	if _, err := n.conn.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	return nil
}

// Reloading announces a reload; "READY=1" ends it. It carries the monotonic time that units of Type=notify-reload need.
func (n *Notifier) Reloading() error {
	return n.Notify("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonicMicroseconds()))
}

// Close closes the connection.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}
