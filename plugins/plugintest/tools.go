package plugintest

import (
	"os/exec"
	"testing"
)

// NeedTool skips the test if a program is not installed, and names the package of Debian that brings it.
func NeedTool(t testing.TB, name, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian package %s)", name, debianPackage)
	}
}
