package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const passed = `{"Action":"output","Package":"a","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"a","Test":"TestA","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t0.01s\n"}
{"Action":"pass","Package":"a"}
`
	skip := func(reason string) string {
		return `{"Action":"output","Package":"b","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"b","Test":"TestB","Output":"    b_test.go:7: ` + reason + `\n"}
{"Action":"output","Package":"b","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"b","Test":"TestB"}
` + passed
	}
	tests := []struct {
		name, in string
		strict   bool
		ok       bool
		want     string
	}{
		{"passed", passed, true, true, "ok  \ta\t0.01s\n"},
		{"missing tool", skip("strace is not installed (Debian package strace)"), false, true,
			"skipped: TestB (b): b_test.go:7: strace is not installed (Debian package strace)\nok  \ta\t0.01s\n"},
		{"missing tool, strict", skip("curl is not installed"), true, false,
			"skipped: TestB (b): b_test.go:7: curl is not installed\nmissing tool: TestB (b): b_test.go:7: curl is not installed\nok  \ta\t0.01s\n"},
		{"other reason, strict", skip("only root may do this"), true, true,
			"skipped: TestB (b): b_test.go:7: only root may do this\nok  \ta\t0.01s\n"},
		{"failed", `{"Action":"output","Package":"c","Test":"TestC","Output":"    c_test.go:9: wrong\n"}
{"Action":"output","Package":"c","Test":"TestC","Output":"--- FAIL: TestC (0.00s)\n"}
{"Action":"fail","Package":"c","Test":"TestC"}
{"Action":"output","Package":"c","Output":"FAIL\tc\t0.01s\n"}
{"Action":"fail","Package":"c"}
`, false, false, "--- FAIL: TestC (c)\n    c_test.go:9: wrong\nFAIL\tc\t0.01s\n--- FAIL: TestC (c)\n"},
		{"crashed", `{"Action":"output","Package":"c","Test":"TestC","Output":"panic: no\n"}
{"Action":"output","Package":"c","Output":"FAIL\tc\t0.01s\n"}
{"Action":"fail","Package":"c"}
`, false, false, "--- UNFINISHED: TestC (c)\npanic: no\nFAIL\tc\t0.01s\n--- UNFINISHED: TestC (c)\n"},
		{"does not build", `{"ImportPath":"d","Action":"build-output","Output":"d.go:1:1: syntax error\n"}
{"ImportPath":"d","Action":"build-fail"}
{"Action":"output","Package":"d","Output":"FAIL\td [build failed]\n"}
{"Action":"fail","Package":"d"}
`, false, false, "d.go:1:1: syntax error\nFAIL\td [build failed]\n"},
		{"no tests", `{"Action":"output","Package":"e","Output":"?   \te\t[no test files]\n"}
{"Action":"skip","Package":"e"}
`, true, true, "?   \te\t[no test files]\n"},
		{"not JSON", "go: cannot find main module\n" + passed, false, false,
			"go: cannot find main module\nok  \ta\t0.01s\n"},
		{"nothing", "", false, false, "no package was tested\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out, tt.strict)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if ok := r.finish(); ok != tt.ok {
				t.Errorf("finish() = %v, want %v", ok, tt.ok)
			}
			if out.String() != tt.want {
				t.Errorf("printed\n%swant\n%s", out.String(), tt.want)
			}
		})
	}
}
