package endpoint

import (
	"bufio"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// holder names the process that is bound to a port, or at least its user, from proc(5). It returns "" if neither can be told.
func holder(network string, port int) string {
	state := "0A" // TCP_LISTEN
	if network == "udp" {
		state = "07"
	}
	for _, table := range []string{network, network + "6"} {
		inode, uid := boundInode("/proc/net/"+table, state, port)
		if inode == "" {
			continue
		}
		if who := processWith("socket:[" + inode + "]"); who != "" {
			return who
		}
		if u, err := user.LookupId(uid); err == nil {
			return "a process of user " + u.Username
		}
		return "a process of user id " + uid
	}
	return ""
}

// boundInode finds the socket in a table of the kernel, whose columns are: slot, local address, remote address, state,
// queues, timer, retransmissions, user, timeout, inode.
func boundInode(table, state string, port int) (inode, uid string) {
	f, err := os.Open(table)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		col := strings.Fields(sc.Text())
		if len(col) > 9 && strings.HasSuffix(col[1], suffix) && col[3] == state {
			return col[9], col[7]
		}
	}
	return "", ""
}

func processWith(socket string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != socket {
			continue
		}
		pid := strings.Split(link, "/")[2]
		if pid == strconv.Itoa(os.Getpid()) {
			return "this process"
		}
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "pid " + pid
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
