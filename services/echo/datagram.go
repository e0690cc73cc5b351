package echo

import (
	"net"
	"time"
)

// maxDatagram is the longest payload that UDP can carry, in bytes (RFC 768: a 16-bit length, header included).
const maxDatagram = 1<<16 - 1

// answerOn sends each datagram back from the socket it came to, one after the other and in one goroutine, so that a flood
// costs no memory. It returns when the socket is closed or fails; a datagram that cannot be sent is lost, as UDP allows.
func (s *server) answerOn(pc net.PacketConn, g *guard) error {
	buf := make([]byte, maxDatagram)
	for {
		n, sender, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		if !g.mayAnswer(sender, buf[:n], time.Now()) {
			s.unanswered.Add(1)
			continue
		}
		if _, err := pc.WriteTo(buf[:n], sender); err != nil {
			s.log.Debug("datagram lost", "client", sender, "bytes", n, "error", err)
		}
	}
}
