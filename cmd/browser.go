package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// openPages shows the pages in the browser and does not wait for it. That there is none becomes a note; that it gives up
// later is told to later, in another goroutine.
func (p *program) openPages(pages []string, later func(note string)) {
	for _, page := range pages {
		note := func(err error) string { return fmt.Sprintf("no browser opened for %s: %v", page, err) }
		if err := p.openPage(page, func(err error) { later(note(err)) }); err != nil {
			p.notes = append(p.notes, note(err))
		}
	}
}

// openPage starts what opens URLs on this system, apart from our terminal and our output. The goroutine that waits for it
// ends with it, or with this process: it may be the browser itself, which outlives us.
func (p *program) openPage(page string, failed func(error)) error {
	commands, err := openers(runtime.GOOS, p.getenv, page)
	if err != nil {
		return err
	}
	for _, words := range commands {
		path, err := exec.LookPath(words[0])
		if err != nil {
			continue
		}
		c := exec.Command(path, words[1:]...)
		c.SysProcAttr = apart()
		if err := c.Start(); err != nil {
			return err
		}
		go func() {
			if err := c.Wait(); err != nil {
				failed(fmt.Errorf("%s: %w", words[0], err))
			}
		}()
		return nil
	}
	return fmt.Errorf("no %s here", commands[len(commands)-1][0])
}

// openers are the commands that open a URL, the first that is installed is to be taken. BROWSER is a list of commands, each
// with %s for the URL or to be followed by it, as in xdg-open(1).
func openers(system string, getenv func(string) string, page string) ([][]string, error) {
	switch system {
	case "windows":
		return [][]string{{"rundll32", "url.dll,FileProtocolHandler", page}}, nil
	case "darwin":
		return [][]string{{"open", page}}, nil
	}
	var commands [][]string
	for choice := range strings.SplitSeq(getenv("BROWSER"), ":") {
		words := strings.Fields(choice)
		if len(words) == 0 {
			continue
		}
		if !strings.Contains(choice, "%s") {
			words = append(words, page)
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%s", page)
		}
		commands = append(commands, words)
	}
	if getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "" {
		return append(commands, []string{"xdg-open", page}), nil
	}
	if len(commands) == 0 {
		return nil, errors.New("there is no display")
	}
	return commands, nil
}

// cannotOpen says why this process is not the one to start a browser; "" if it is.
func (r *runner) cannotOpen() string {
	switch {
	case r.notifier != nil || os.Getpid() == 1:
		return "nobody sits at a service that a manager started"
	case r.opts.uid != "" || r.opts.gid != "" || r.opts.chroot != "":
		return "the service has given up the rights of who started it"
	}
	return ""
}
