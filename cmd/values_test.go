package cmd

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
		out  string
	}{
		{"0", 0, true, "0"},
		{"500", 500, true, "500"},
		{"64K", 64 << 10, true, "64KiB"},
		{"1GiB", 1 << 30, true, "1GiB"},
		{"100mb", 100 << 20, true, "100MiB"},
		{"1536M", 1536 << 20, true, "1536MiB"},
		{"7B", 7, true, "7"},
		{"9T", 9 << 40, true, "9TiB"},
		{"", 0, false, ""},
		{"-1", 0, false, ""},
		{"1.5G", 0, false, ""},
		{"1GG", 0, false, ""},
		{"1iB", 0, false, ""},
		{"G", 0, false, ""},
		{"9999999T", 0, false, ""},
	} {
		var z size
		err := z.Set(c.in)
		if (err == nil) != c.ok || int64(z) != c.want {
			t.Errorf("size.Set(%q) = %d, %v, want %d, ok %v", c.in, z, err, c.want, c.ok)
		}
		if err == nil && z.String() != c.out {
			t.Errorf("size(%q).String() = %q, want %q", c.in, z.String(), c.out)
		}
	}
}

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
