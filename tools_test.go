package gtwistd_test

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestToolsOfTests says that every program that a test needs is one that make test installs, from the package that the test names.
// CI, where a test that skips for want of a program fails, finds the others by itself, but later.
func TestToolsOfTests(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^test_tools := (.*)$`).FindStringSubmatch(string(makefile))
	if line == nil {
		t.Fatal("the Makefile has no test_tools")
	}
	installed, found := strings.Fields(line[1]), 0
	for _, file := range tree(t) {
		ast.Inspect(file.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 3 {
				return true
			}
			if callee, ok := call.Fun.(*ast.SelectorExpr); !ok || callee.Sel.Name != "NeedTool" {
				return true
			}
			tool, pkg := literal(call.Args[1]), literal(call.Args[2])
			if tool == "" || pkg == "" {
				return true // of a table
			}
			found++
			if !slices.Contains(installed, tool+":"+pkg) {
				t.Errorf("%s needs %s of %s, which is not in test_tools of the Makefile", file.name, tool, pkg)
			}
			return true
		})
	}
	if found == 0 {
		t.Error("no test needs a program: is plugintest.NeedTool still what they call?")
	}
}

// TestCIIsStrict says that CI has make test fail on such a skip.
func TestCIIsStrict(t *testing.T) {
	run, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(run); !strings.Contains(text, "export CI=true") || !strings.Contains(text, "make test") {
		t.Errorf(".ci/run does not run make test with CI=true:\n%s", text)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"strict := $(if $(filter true 1,$(CI)),-strict)", "./tools/testreport $(strict)"} {
		if !strings.Contains(string(makefile), want) {
			t.Errorf("the Makefile has no %q", want)
		}
	}
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}
