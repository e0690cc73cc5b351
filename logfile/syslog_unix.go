//go:build unix

package logfile

import (
	"bytes"
	"fmt"
	"log/syslog"
	"unicode/utf8"
)

// maxDatagram is the longest text sent as one message; rsyslog's default limit is 8 KiB for the whole.
const maxDatagram = 8000

// NewSyslog starts an observer that writes to the local system log (syslog(3), facility user as in twistd), with tag and
// process id, each record with its own severity. Every line of a text is a message that names the service; lines after the
// first begin with a tab. No system log that answers is an error. o.Format is ignored. Close ends the connection too.
func NewSyslog(tag string, o ObserverOptions) (*Observer, error) { return newSyslog("", "", tag, o) }

func newSyslog(network, address, tag string, o ObserverOptions) (*Observer, error) {
	w, err := syslog.Dial(network, address, syslog.LOG_USER|syslog.LOG_INFO, tag)
	if err != nil {
		return nil, fmt.Errorf("system log: %w", err)
	}
	o.Format = system
	ob := NewObserver(&systemLog{by: [...]func(string) error{w.Debug, w.Info, w.Warning, w.Err}}, o)
	ob.closer = w
	return ob, nil
}

// systemLog sends lines of the format system.
type systemLog struct {
	by   [len(levelNames)]func(string) error
	send func(string) error // of the record that is being sent
	head []byte             // "[web#info] " of that record
}

// Write sends one message a line. After an error n points behind the last record that was sent whole.
func (s *systemLog) Write(p []byte) (n int, err error) {
	for rest := p; len(rest) > 0; {
		text, more, _ := bytes.Cut(rest, []byte{'\n'})
		if len(text) > 0 && text[0] == '\t' {
			text = append(bytes.Clone(s.head), text...)
		} else {
			n = len(p) - len(rest)
			text = s.begin(text)
		}
		if err := s.line(text); err != nil {
			return n, err
		}
		rest = more
	}
	return len(p), nil
}

// begin notes severity and head of a record and returns its first line without the digit.
func (s *systemLog) begin(text []byte) []byte {
	severity := min(max(int(text[0])-'0', 0), len(levelNames)-1)
	s.send, text = s.by[severity], text[1:]
	mark := []byte("#" + levelNames[severity] + "] ")
	s.head = bytes.Clone(text[:bytes.Index(text, mark)+len(mark)])
	return text
}

func (s *systemLog) line(text []byte) error {
	for len(text) > maxDatagram {
		cut := maxDatagram
		for cut > maxDatagram-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		if err := s.send(string(text[:cut])); err != nil {
			return err
		}
		text = append(append(bytes.Clone(s.head), '\t'), text[cut:]...)
	}
	return s.send(string(text))
}
