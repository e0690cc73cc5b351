package lane

import "golang.org/x/sys/unix"

// canPace says that the system tells what the other end of a TCP connection has acknowledged: clients are judged by that.
const canPace = true

// progressOf asks the system, see tcp(7).
func progressOf(fd int) (p progress, ok bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	// Both counters are as old, and whoever is being answered has sent something: without it nothing is counted.
	if err != nil || info.Bytes_received == 0 {
		return progress{}, false
	}
	return progress{taken: int64(info.Bytes_acked), waiting: unacknowledgedOf(fd) > 0}, true
}

// unacknowledgedOf is what waits in the system, on its way included.
func unacknowledgedOf(fd int) int64 {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return int64(n)
}
