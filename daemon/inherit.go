package daemon

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// firstInherited is the first descriptor that is not a standard stream, SD_LISTEN_FDS_START of sd_listen_fds(3).
const firstInherited = 3

// Inherited is the set of descriptors from 3 that came with the process. Safe for concurrent use.
type Inherited struct {
	mu      sync.Mutex
	open    map[int]bool
	systemd []NamedFD
	err     error
}

// NamedFD is a descriptor handed over by a service manager.
type NamedFD struct {
	Name string // FileDescriptorName= of the socket unit; "unknown" if the manager gave none; not necessarily unique
	FD   int    // to be given to File
}

// Systemd returns the descriptors that a service manager passed to this process by the protocol of sd_listen_fds(3), in
// its order; none if there is no service manager. An error names the variable that is wrong.
func (in *Inherited) Systemd() ([]NamedFD, error) {
	if in == nil {
		return nil, nil
	}
	return append([]NamedFD(nil), in.systemd...), in.err
}

// numbers returns what is still open.
func (in *Inherited) numbers() []int {
	if in == nil {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	list := make([]int, 0, len(in.open))
	for fd := range in.open {
		list = append(list, fd)
	}
	return list
}

// environment returns the variables that hand the service manager's descriptors on from this process, which is pid.
func (in *Inherited) environment(pid int) []string {
	if in == nil || len(in.systemd) == 0 {
		return nil
	}
	names := make([]string, len(in.systemd))
	for i, named := range in.systemd {
		names[i] = named.Name
	}
	return []string{
		"LISTEN_PID=" + strconv.Itoa(pid),
		"LISTEN_FDS=" + strconv.Itoa(len(names)),
		"LISTEN_FDNAMES=" + strings.Join(names, ":"),
	}
}

// listenFDs reads the variables of sd_listen_fds(3). They are meant for the process with pid LISTEN_PID, which is this one or
// the parent that passed everything on.
func listenFDs(getenv func(string) string, pids ...int) ([]NamedFD, error) {
	meant, err := strconv.Atoi(getenv("LISTEN_PID"))
	if err != nil || !slices.Contains(pids, meant) {
		return nil, nil
	}
	value := getenv("LISTEN_FDS")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > 1<<16 {
		return nil, fmt.Errorf("LISTEN_FDS=%q: not a number of descriptors", value)
	}
	var names []string
	if s := getenv("LISTEN_FDNAMES"); s != "" {
		names = strings.Split(s, ":")
	}
	list := make([]NamedFD, n)
	for i := range list {
		list[i] = NamedFD{Name: "unknown", FD: firstInherited + i}
		if i < len(names) && names[i] != "" {
			list[i].Name = names[i]
		}
	}
	return list, nil
}
