package suggest_test

import (
	"testing"

	"github.com/gtwistd/gtwistd/internal/suggest"
)

func TestNearest(t *testing.T) {
	candidates := []string{"web", "echo", "status", "stop", "reload", "reopen", "logs"}
	for word, want := range map[string]string{
		"wbe": "web", "web": "web", "ehco": "echo", "sotp": "stop", "relaod": "reload", "stat": "status",
		"x": "", "nonsense": "", "re": "", "logg": "logs", "": "",
	} {
		if got := suggest.Nearest(word, candidates); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
