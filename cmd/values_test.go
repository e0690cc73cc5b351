package cmd

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
		ok   bool
		out  string
	}{
		{"30d", 720 * time.Hour, true, "30d"},
		{"36h", 36 * time.Hour, true, "36h0m0s"},
		{"0", 0, true, "0s"},
		{"0d", 0, true, "0s"},
		{"-1h", 0, false, ""},
		{"30x", 0, false, ""},
		{"d", 0, false, ""},
		{"70000d", 0, false, ""},
	} {
		var a age
		err := a.Set(c.in)
		if (err == nil) != c.ok || time.Duration(a) != c.want {
			t.Errorf("age.Set(%q) = %v, %v, want %v, ok %v", c.in, a, err, c.want, c.ok)
		}
		if err == nil && a.String() != c.out {
			t.Errorf("age(%q).String() = %q, want %q", c.in, a.String(), c.out)
		}
	}
}
