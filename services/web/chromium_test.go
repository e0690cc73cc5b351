//go:build unix

package web_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
)

// browserTimeout is how long a browser may take for anything. It only decides how soon a hang is called one.
const browserTimeout = 60 * time.Second

// tab is one page of a headless Chromium, driven over the DevTools protocol: JSON messages with a NUL at their end, through
// a pair of pipes.
type tab struct {
	t       *testing.T
	out     *os.File
	session string

	mu      sync.Mutex
	lastID  int
	changed chan struct{} // closed, and made anew, with each message
	answers map[int]message
	events  []message
	gone    error // why there are no more messages
}

type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// openTab starts a browser with one blank page, and ends it with the test.
func openTab(t *testing.T) *tab {
	t.Helper()
	plugintest.NeedTool(t, "chromium", "chromium")
	dir := t.TempDir()
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	theirIn, ourOut := pipe(t)
	ourIn, theirOut := pipe(t)
	cmd := exec.Command("chromium", "--headless", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-breakpad", "--disable-extensions",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
		"--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+dir, "TZ=Asia/Kolkata", "LANG=en_US.UTF-8")
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirIn.Close()
	_ = theirOut.Close()

	b := &tab{t: t, out: ourOut, changed: make(chan struct{}), answers: map[int]message{}}
	var reading sync.WaitGroup
	reading.Go(func() { b.read(bufio.NewReader(ourIn)) })
	t.Cleanup(func() {
		kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		hang := time.AfterFunc(browserTimeout, kill)
		defer hang.Stop()
		if _, err := ourOut.WriteString(`{"id":0,"method":"Browser.close"}` + "\x00"); err != nil {
			text, _ := os.ReadFile(stderr.Name())
			t.Errorf("the browser ended by itself: %v; it said: %s", err, text)
		}
		reading.Wait() // until it has closed the pipe
		kill()         // what it may have left
		_ = cmd.Wait() // how it ended says nothing about the page
	})
	b.attach()
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	return r, w
}

func (b *tab) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.call(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "DOM"} {
		b.call(nil, domain+".enable", nil)
	}
}

// read takes what the browser says until it ends.
func (b *tab) read(r *bufio.Reader) {
	for {
		text, err := r.ReadBytes(0)
		var m message
		if err == nil {
			err = json.Unmarshal(text[:len(text)-1], &m)
		}
		b.mu.Lock()
		switch {
		case err != nil:
			b.gone = err
		case m.ID != 0:
			b.answers[m.ID] = m
		case m.Method != "":
			b.events = append(b.events, m)
		}
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// until waits for a condition, which is asked with the lock held and again after each message.
func (b *tab) until(what string, ok func() bool) {
	b.t.Helper()
	timer := time.NewTimer(browserTimeout)
	defer timer.Stop()
	for {
		b.mu.Lock()
		met, gone, changed := ok(), b.gone, b.changed
		b.mu.Unlock()
		if met {
			return
		}
		if gone != nil {
			b.t.Fatalf("%s: the browser has gone: %v", what, gone)
		}
		select {
		case <-changed:
		case <-timer.C:
			b.t.Fatalf("%s: nothing after %v", what, browserTimeout)
		}
	}
}

// call calls a method and decodes its result, if that is wanted.
func (b *tab) call(result any, method string, params map[string]any) {
	b.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	b.mu.Lock()
	b.lastID++
	id := b.lastID
	b.mu.Unlock()
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	if err == nil && b.session != "" {
		text, err = json.Marshal(map[string]any{"id": id, "sessionId": b.session, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.out.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	var answer message
	b.until(method, func() (ok bool) {
		answer, ok = b.answers[id]
		return ok
	})
	if answer.Error != nil {
		b.t.Fatalf("%s: %s", method, answer.Error.Message)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result, result); err != nil {
			b.t.Fatalf("%s: %v in %s", method, err, answer.Result)
		}
	}
}

// eval returns what an expression, or the promise that it gives, comes to in the page.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call(&got, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	})
	var err error
	if got.ExceptionDetails != nil {
		err = errors.New(got.ExceptionDetails.Exception.Description)
	} else if len(got.Result.Value) > 0 {
		err = json.Unmarshal(got.Result.Value, &value)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// heard returns the parameters of the events of a kind so far.
func (b *tab) heard(method string) []json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heardLocked(method)
}

func (b *tab) heardLocked(method string) []json.RawMessage {
	var list []json.RawMessage
	for _, m := range b.events {
		if m.Method == method {
			list = append(list, m.Params)
		}
	}
	return list
}

// after does something and waits for the next event of a kind of which ok, if it is not nil, holds.
func (b *tab) after(act func(), method string, ok func(params string) bool) {
	b.t.Helper()
	before := len(b.heard(method))
	act()
	b.until(method, func() bool {
		for _, params := range b.heardLocked(method)[before:] {
			if ok == nil || ok(string(params)) {
				return true
			}
		}
		return false
	})
}

// open goes to a page and waits until it is loaded.
func (b *tab) open(url string) {
	b.t.Helper()
	b.after(func() { b.call(nil, "Page.navigate", map[string]any{"url": url}) }, "Page.loadEventFired", nil)
}

// press presses a key and lets it go.
func (b *tab) press(key string) {
	b.t.Helper()
	code := map[string]int{"Enter": 13, "Escape": 27, "Tab": 9}[key]
	text := key
	switch {
	case key == "Enter":
		text = "\r"
	case len(key) > 1:
		text = ""
	}
	b.call(nil, "Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code})
	b.call(nil, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": code})
}

// complaints are the errors of scripts and policies, and the requests for anything but what begins with base.
func (b *tab) complaints(base string) []string {
	var list []string
	for _, params := range b.heard("Runtime.exceptionThrown") {
		list = append(list, string(params))
	}
	for _, params := range b.heard("Runtime.consoleAPICalled") {
		list = append(list, string(params))
	}
	for _, params := range b.heard("Log.entryAdded") {
		list = append(list, string(params))
	}
	for _, params := range b.heard("Network.requestWillBeSent") {
		var sent struct{ Request struct{ URL string } }
		if err := json.Unmarshal(params, &sent); err != nil {
			list = append(list, err.Error())
		}
		if url := sent.Request.URL; !strings.HasPrefix(url, base) && !strings.HasPrefix(url, "data:") {
			list = append(list, fmt.Sprintf("a request for %s", url))
		}
	}
	return list
}
