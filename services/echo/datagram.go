package echo

import "net"

// maxDatagram is the longest payload that UDP can carry, in bytes (RFC 768: a 16-bit length, header included).
const maxDatagram = 1<<16 - 1

// firstUserPort is the first port that a system gives to its users. Those below belong to services.
const firstUserPort = 1024

// answerOn sends each datagram back from the socket it came to, one after the other and in one goroutine, so that a flood
// costs no memory. It returns when the socket is closed or fails; a datagram that cannot be sent is lost, as UDP allows.
func (s *server) answerOn(pc net.PacketConn) error {
	buf := make([]byte, maxDatagram)
	for {
		n, sender, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		if !mayAnswer(sender, pc.LocalAddr()) {
			s.unanswered.Add(1)
			continue
		}
		if _, err := pc.WriteTo(buf[:n], sender); err != nil {
			s.log.Debug("datagram lost", "client", sender, "bytes", n, "error", err)
		}
	}
}

// mayAnswer refuses senders that could answer our answer. A datagram with a forged sender would otherwise make two
// services talk to each other for ever: another echo on our own port number, or one of the old services that answer
// anything, all below port 1024 (echo, daytime, chargen, time, TFTP; CVE-1999-0103 and CVE-2024-2169).
func mayAnswer(sender, local net.Addr) bool {
	from, ok := sender.(*net.UDPAddr)
	if !ok {
		return false
	}
	to, ok := local.(*net.UDPAddr)
	return from.Port >= firstUserPort && (!ok || from.Port != to.Port)
}
