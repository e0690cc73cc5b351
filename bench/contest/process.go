package contest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The server runs on one core and the load on the other.
const (
	ServerCore = "0"
	LoadCore   = "1"
)

// Patience is how long a process may take to start or to end.
const Patience = 20 * time.Second

// Pinned is a command on one core.
func Pinned(ctx context.Context, core, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", core, name}, args...)...)
}

// Dir is the directory in which a run keeps what servers read and write.
type Dir string

// File is the path of a file in it.
func (d Dir) File(name string) string { return filepath.Join(string(d), name) }

// Quiet gives the command real files for what it prints; close its Stdout after the start. The peer, run as root with the
// null device for a log, renames that device away; a pipe would be one more process to schedule.
func (d Dir) Quiet(cmd *exec.Cmd) error {
	out, err := os.OpenFile(d.File("output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = string(d)
	return nil
}

// Server is one in front. Its Stop must be called.
type Server struct {
	cmd  *exec.Cmd
	Addr string
}

// Serve starts a server in front that listens on addr. It does not wait until it does.
func (d Dir) Serve(cmd *exec.Cmd, addr string) (*Server, error) {
	if err := d.Quiet(cmd); err != nil {
		return nil, err
	}
	defer cmd.Stdout.(*os.File).Close()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Server{cmd, addr}, nil
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(Patience, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait()
}

// FreeAddr is an address on which nobody listens.
func FreeAddr() (addr, port string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer listener.Close()
	addr = listener.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	return addr, port, err
}

// Answers waits until somebody listens.
func Answers(ctx context.Context, addr string) error {
	for deadline := time.Now().Add(Patience); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("nobody answers on %s", addr))
}

// stat are the fields of /proc/PID/stat from the third on (man 5 proc): before them is a name, in which anything may be.
func stat(pid int) ([]string, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	line, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
	if len(words) < 15 {
		return nil, fmt.Errorf("%s: %d fields after the name", name, len(words))
	}
	return words, nil
}

// family is a process and those it descends to, such as nginx's worker and the two processes of each session of vsftpd.
func family(pid int) ([]int, error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[string][]int{} // by the parent's id
	for _, dir := range all {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if words, err := stat(child); err == nil { // others come and go
			children[words[1]] = append(children[words[1]], child)
		}
	}
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[strconv.Itoa(pids[i])]...)
	}
	return pids, nil
}

// total adds up what of says of a process and its descendants. A descendant may end meanwhile.
func total[T ~int64](pid int, of func(pid int) (T, error)) (sum T, err error) {
	pids, err := family(pid)
	if err != nil {
		return 0, err
	}
	for i, member := range pids {
		n, err := of(member)
		if i > 0 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// Busy is the processor time that a process and its descendants have used, those included that have ended and were waited
// for. The kernel counts it in hundredths of a second for all of its own platforms.
func Busy(pid int) (time.Duration, error) {
	return total(pid, func(pid int) (sum time.Duration, err error) {
		words, err := stat(pid)
		if err != nil {
			return 0, err
		}
		for _, ticks := range words[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(ticks, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * (time.Second / 100)
		}
		return sum, nil
	})
}

// KiB is a figure of a process and its descendants in a file of /proc/PID, such as VmRSS of status or Pss of smaps_rollup.
func KiB(pid int, file, field string) (int64, error) {
	return total(pid, func(pid int) (int64, error) {
		return kib(fmt.Sprintf("/proc/%d/%s", pid, file), field)
	})
}

func kib(file, field string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == field+":" {
			return strconv.ParseInt(words[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, field)
}
