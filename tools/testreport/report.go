package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// missingTool is how tests say that a program they need is not there: in our own words, in those of exec.LookPath, and
// in those of a testscript condition.
var missingTool = regexp.MustCompile(`not installed|executable file not found|Debian package|\[!?exec:`)

// noise are the lines that go test adds for people who watch the tests run.
var noise = regexp.MustCompile(`^\s*(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|SKIP|FAIL):)`)

// event is a line of `go test -json` (go doc test2json); build output names its package in ImportPath.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// test names a test, or with an empty name what a package printed outside of its tests.
type test struct{ pkg, name string }

// report collects events. It is used by one goroutine.
type report struct {
	out    io.Writer
	strict bool

	output  map[test][]string
	results []string // go test's line for each package
	skipped []string
	missing []string // those of skipped that want a tool
	failed  []string // packages
	broken  []string // tests
}

func newReport(out io.Writer, strict bool) *report {
	return &report{out: out, strict: strict, output: map[test][]string{}}
}

// read takes all events until the end of the input and prints failures as they come. Lines that are no events, which the
// go command writes when it cannot even begin, are printed as they are and count as a failure.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprint(r.out, line)
		r.failed = append(r.failed, "go test")
		return
	}
	key := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed = append(r.failed, e.ImportPath)
	case "output":
		r.output[key] = append(r.output[key], e.Output)
	case "skip":
		r.skip(key)
		delete(r.output, key)
	case "fail":
		r.fail(key)
		delete(r.output, key)
	case "pass":
		r.close(key)
		delete(r.output, key)
	}
}

// fail prints all that a failed test or package wrote.
func (r *report) fail(key test) {
	if key.name != "" {
		r.head("FAIL", key)
		for _, line := range r.output[key] {
			if !noise.MatchString(line) {
				fmt.Fprint(r.out, line)
			}
		}
		return
	}
	r.failed = append(r.failed, key.pkg)
	// A test that a crash or the time limit ended has no result of its own.
	for open, lines := range r.output {
		if open.pkg == key.pkg && open.name != "" {
			r.head("UNFINISHED", open)
			fmt.Fprint(r.out, strings.Join(lines, ""))
			delete(r.output, open)
		}
	}
	for _, line := range r.output[key] {
		if line != "FAIL\n" && !strings.HasPrefix(line, "FAIL\t") {
			fmt.Fprint(r.out, line)
		}
	}
	r.close(key)
}

// head begins what a test wrote that did not pass.
func (r *report) head(how string, key test) {
	text := fmt.Sprintf("--- %s: %s (%s)", how, key.name, key.pkg)
	fmt.Fprintln(r.out, text)
	r.broken = append(r.broken, text)
}

func (r *report) skip(key test) {
	if key.name == "" {
		r.close(key)
		return
	}
	var reason []string
	for _, line := range r.output[key] {
		if !noise.MatchString(line) {
			reason = append(reason, strings.TrimSpace(line))
		}
	}
	text := fmt.Sprintf("%s (%s): %s", key.name, key.pkg, strings.Join(reason, " "))
	r.skipped = append(r.skipped, text)
	if missingTool.MatchString(text) {
		r.missing = append(r.missing, text)
	}
}

// close keeps the line that go test ends a package with: ok, FAIL, or ? for one without tests.
func (r *report) close(key test) {
	if key.name != "" {
		return
	}
	for _, line := range slices.Backward(r.output[key]) {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "?   \t") {
			r.results = append(r.results, line)
			return
		}
	}
	r.results = append(r.results, "FAIL\t"+key.pkg+"\n")
}

// finish prints the summary and says whether all is well.
func (r *report) finish() bool {
	for _, text := range r.skipped {
		fmt.Fprintln(r.out, "skipped:", text)
	}
	if r.strict {
		for _, text := range r.missing {
			fmt.Fprintln(r.out, "missing tool:", text)
		}
	}
	for _, line := range r.results {
		fmt.Fprint(r.out, line)
	}
	if len(r.results) == 0 {
		fmt.Fprintln(r.out, "no package was tested")
	}
	for _, text := range r.broken {
		fmt.Fprintln(r.out, text)
	}
	return len(r.results) > 0 && len(r.failed) == 0 && (!r.strict || len(r.missing) == 0)
}
