// Command testreport makes the output of `go test -json` readable and refuses tests that were skipped for want of a tool:
//
//	go test -json ./... | go run ./tools/testreport -strict
//
// It prints what failed, a line for each skipped test with its reason, go test's own line for each package, and last, where
// whoever keeps only the end of a log finds them, the names of the tests that failed. It exits with 1 if anything failed,
// or, with -strict, if a skip names a missing tool.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	strict := flag.Bool("strict", false, "a test that is skipped because a tool is not installed is a failure")
	flag.Parse()
	r := newReport(os.Stdout, *strict)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "testreport: %v\n", err)
		os.Exit(1)
	}
	if !r.finish() {
		os.Exit(1)
	}
}
