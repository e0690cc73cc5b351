package web

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// accessLog writes one record per request in the combined format of Apache:
//
//	127.0.0.1 - - [20/Nov/2026:09:31:36 +0000] "GET /a.txt HTTP/1.1" 200 3 "-" "curl/7.88.1"
//
// The time is that of the end of the request, in UTC. It is safe for concurrent use.
type accessLog struct {
	w       io.WriteCloser
	now     func() time.Time
	second  atomic.Pointer[second]
	buffers sync.Pool // of *[]byte
}

// second is the text of a time, which most requests share with others.
type second struct {
	unix int64
	text string
}

// keptBuffer is the largest buffer that is used again: one client with enormous headers does not cost memory for ever.
const keptBuffer = 4 << 10

func newAccessLog(w io.WriteCloser) *accessLog {
	return &accessLog{w: w, now: time.Now, buffers: sync.Pool{New: func() any {
		b := make([]byte, 0, 512)
		return &b
	}}}
}

// record writes one record with one Write. An error is the writer's to report.
func (a *accessLog) record(r *http.Request, status int, sent int64) {
	b := a.buffers.Get().(*[]byte)
	*b = appendRecord((*b)[:0], a.stamp(), r, status, sent)
	_, _ = a.w.Write(*b)
	if cap(*b) <= keptBuffer {
		a.buffers.Put(b)
	}
}

func (a *accessLog) stamp() string {
	now := a.now()
	if s := a.second.Load(); s != nil && s.unix == now.Unix() {
		return s.text
	}
	s := &second{now.Unix(), now.UTC().Format("02/Jan/2006:15:04:05 -0700")}
	a.second.Store(s)
	return s.text
}

func appendRecord(b []byte, at string, r *http.Request, status int, sent int64) []byte {
	b = append(b, host(r.RemoteAddr)...)
	b = append(b, " - - ["...)
	b = append(b, at...)
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method)
	b = append(b, ' ')
	b = appendEscaped(b, r.RequestURI)
	b = append(b, ' ')
	b = appendEscaped(b, r.Proto)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if sent == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, sent, 10)
	}
	b = append(b, ` "`...)
	b = appendEscaped(b, orDash(r.Header["Referer"]))
	b = append(b, `" "`...)
	b = appendEscaped(b, orDash(r.Header["User-Agent"]))
	return append(b, '"', '\n')
}

// host takes the port off an address. A client of a unix socket has none.
func host(addr string) string {
	colon := strings.LastIndexByte(addr, ':')
	if colon <= 0 {
		return "-"
	}
	return strings.Trim(addr[:colon], "[]")
}

func orDash(values []string) string {
	if len(values) == 0 || values[0] == "" {
		return "-"
	}
	return values[0]
}

// appendEscaped writes \xNN for each byte that could end a field or a record, or do something to a terminal.
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\':
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
