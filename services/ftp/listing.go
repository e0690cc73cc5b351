package ftp

import (
	"io/fs"
	"strconv"
	"time"
)

// A listing that the library would make costs it more than the directory costs the disk. So it gets an empty one, whose
// nothing the data connection exchanges for this.

const (
	// halfYear is when the year matters more than the hour, for ls and so for clients.
	halfYear = 182 * 24 * time.Hour

	stampRecent = "Jan _2 15:04"
	stampOld    = "Jan _2  2006"
	stampMLSD   = "20060102150405" // RFC 3659 section 2.3
)

// appendList adds a line of LIST, as of ls -l.
func (e *entry) appendList(b []byte, now time.Time) []byte {
	const bits = "rwxrwxrwx"
	kind := byte('-')
	if e.mode.IsDir() {
		kind = 'd'
	}
	b = append(b, kind)
	for i := range len(bits) {
		if e.mode&(1<<(len(bits)-1-i)) != 0 {
			b = append(b, bits[i])
		} else {
			b = append(b, '-')
		}
	}
	b = append(b, " 1 ftp ftp "...)
	var digits [20]byte
	size := strconv.AppendInt(digits[:0], e.size, 10)
	for range 12 - len(size) {
		b = append(b, ' ')
	}
	b = append(append(b, size...), ' ')
	stamp := stampRecent
	if age := now.Sub(e.modified); age > halfYear || age < -halfYear {
		stamp = stampOld
	}
	b = e.modified.AppendFormat(b, stamp)
	b = append(append(b, ' '), e.name...)
	return append(b, "\r\n"...)
}

// appendFacts adds a line of MLSD, with what mlstFacts says (RFC 3659 section 7).
func (e *entry) appendFacts(b []byte, _ time.Time) []byte {
	kind := "Type=file;Size="
	if e.mode.IsDir() {
		kind = "Type=dir;Size="
	}
	b = strconv.AppendInt(append(b, kind...), e.size, 10)
	b = e.modified.AppendFormat(append(b, ";Modify="...), stampMLSD)
	b = append(append(b, "; "...), e.name...)
	return append(b, "\r\n"...)
}

// stash keeps a listing for the data connection; false if the command is one whose lines the library makes.
func (c *session) stash(list []fs.FileInfo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.transfer
	if t == nil || len(list) == 0 || t.verb != "LIST" && t.verb != "MLSD" {
		return false
	}
	line := (*entry).appendList
	if t.verb == "MLSD" {
		line = (*entry).appendFacts
	}
	const usual = 80 // bytes
	now := time.Now()
	t.listing = make([]byte, 0, usual*len(list))
	for _, info := range list {
		t.listing = line(info.(*entry), t.listing, now)
	}
	return true
}

// takeListing returns what stash kept, once.
func (c *session) takeListing(t *transfer) []byte {
	if t == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := t.listing
	t.listing = nil
	return b
}
