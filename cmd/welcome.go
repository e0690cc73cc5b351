package cmd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/gtwistd/gtwistd/internal/qrcode"
	"github.com/gtwistd/gtwistd/plugins"
)

// welcome is what a start that went well has for the person who typed the command. A detached process sends it to its
// parent, which has the terminal, and the rights and the session that a browser needs.
type welcome struct {
	// Text is printed as it is. Bytes, because a path in it need not be UTF-8, and JSON strings would change it.
	Text []byte
	// Codes and Pages are the URLs to be shown as QR codes and in the browser.
	Codes, Pages []string
	// Notes are on what the services asked for in vain.
	Notes []string
}

// encode is for the status pipe.
func (w welcome) encode() (string, error) {
	line, err := json.Marshal(w)
	return string(line), err
}

func decodeWelcome(s string) (w welcome, err error) {
	if err := json.Unmarshal([]byte(s), &w); err != nil {
		return w, fmt.Errorf("answer of the detached process: %w", err)
	}
	return w, nil
}

// welcome asks the services what they want to be done with their addresses.
func (r *runner) welcome(text string) welcome {
	w := welcome{Text: []byte(text)}
	for _, s := range r.services {
		announcer, ok := s.running.(plugins.Announcer)
		if !ok {
			continue
		}
		wanted, urls := announcer.Announcement(), r.urls(s)
		if wanted.QR {
			if code := forOthers(urls); code != "" {
				w.Codes = append(w.Codes, code)
			} else {
				w.Notes = append(w.Notes, "no QR code: "+s.name+" has no address that a device could open")
			}
		}
		if wanted.Open {
			if page := forUs(urls); page != "" {
				w.Pages = append(w.Pages, page)
			} else {
				w.Notes = append(w.Notes, "no browser opened: "+s.name+" has no address that it could show")
			}
		}
	}
	return w
}

// forOthers is the first URL that another device reaches, the first of all if there is none, "" if a browser can open
// none of them.
func forOthers(urls []string) string { return firstOf(urls, false) }

// forUs is the first URL of the loopback interface, the first of all if there is none, "" if a browser can open none.
func forUs(urls []string) string { return firstOf(urls, true) }

func firstOf(urls []string, loopback bool) string {
	urls = slices.DeleteFunc(slices.Clone(urls), func(u string) bool { return hostOf(u) == "" })
	for _, u := range urls {
		if isLoopback(u) == loopback {
			return u
		}
	}
	if len(urls) > 0 {
		return urls[0]
	}
	return ""
}

// hostOf is "" for a unix socket and for whatever else a browser cannot open.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(hostOf(address))
	return err == nil && ip.IsLoopback()
}

// show prints all of it, the text to stdout and what else there is to say to stderr. QR codes go to whichever of both is a
// terminal.
func (p *program) show(w welcome, stdout, stderr *os.File) error {
	if _, err := stdout.Write(w.Text); err != nil {
		return err
	}
	p.notes = append(p.notes, w.Notes...)
	for _, code := range w.Codes {
		if why := p.draw(code, stdout, stderr); why != "" {
			p.notes = append(p.notes, "no QR code of "+code+": "+why)
		} else if isLoopback(code) {
			p.notes = append(p.notes, "only this machine reaches "+code)
		}
	}
	p.tellNotes(stderr)
	return nil
}

// draw shows a QR code above the URL that is in it, or says why it cannot be shown.
func (p *program) draw(text string, screens ...*os.File) (why string) {
	i := slices.IndexFunc(screens, func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) })
	if i < 0 {
		return "there is no terminal to show it"
	}
	code, err := qrcode.New(text)
	if err != nil {
		return err.Error()
	}
	width, _, err := term.GetSize(int(screens[i].Fd()))
	if err != nil {
		return err.Error()
	}
	// A terminal that does not know how wide it is says 0.
	if width > 0 && width < code.Width() {
		return fmt.Sprintf("it needs %d columns, the terminal has %d", code.Width(), width)
	}
	if _, err := fmt.Fprintf(screens[i], "%s%s\n", code.Draw(p.coloured()), text); err != nil {
		return err.Error()
	}
	return ""
}

// coloured reports whether a terminal is to get colours.
func (p *program) coloured() bool { return p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb" }
