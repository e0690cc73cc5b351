package live

import (
	"fmt"
	"strconv"
	"strings"
)

// version counts the changes of a site. Numbers of different runs of the program cannot be compared.
type version struct {
	run    string
	number uint64 // of the last change
	page   uint64 // of the last one that was not only of style sheets
}

// String is what travels to browsers and back: "K3VQ7A2B-12".
func (v version) String() string { return fmt.Sprintf("%s-%d", v.run, v.number) }

// What a browser has to do.
const (
	loadPage   = "page"
	loadStyles = "styles"
)

// since says what a browser has to do whose page is of a version, in the form of String; "" is nothing. One that this run
// never made, or that is none, is outdated.
func (v version) since(seen string) string {
	run, text, _ := strings.Cut(seen, "-")
	number, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil, run != v.run, number < v.page, number > v.number:
		return loadPage
	case number < v.number:
		return loadStyles
	}
	return ""
}

// publish makes a new version and wakes the streams.
func (l *Live) publish(onlyStyles bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version.number++
	if !onlyStyles {
		l.version.page = l.version.number
	}
	close(l.next)
	l.next = make(chan struct{})
}

// current returns the version of now, and a channel that is closed when there is a newer one.
func (l *Live) current() (v version, next <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version, l.next
}
