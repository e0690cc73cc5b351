package plugins_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
)

func TestUsageError(t *testing.T) {
	err := fmt.Errorf("web: %w", plugins.Usagef("--port %q: not a port number", "80x"))
	if got, want := err.Error(), `web: --port "80x": not a port number`; got != want {
		t.Errorf("Error() = %s, want %s", got, want)
	}
	usage, ok := errors.AsType[*plugins.UsageError](err)
	if !ok {
		t.Fatalf("%v is not found as a *UsageError", err)
	}
	if usage.Hint() != "" {
		t.Errorf("Hint() = %q of an error without a suggestion", usage.Hint())
	}
	usage = &plugins.UsageError{Reason: "no option --prot", Suggestion: "did you mean --port?"}
	if usage.Error() != "no option --prot" || usage.Hint() != "did you mean --port?" {
		t.Errorf("Error(), Hint() = %q, %q", usage.Error(), usage.Hint())
	}
}
