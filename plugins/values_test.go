package plugins_test

import (
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
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
		var z plugins.Size
		err := z.Set(c.in)
		if (err == nil) != c.ok || int64(z) != c.want {
			t.Errorf("Size.Set(%q) = %d, %v, want %d, ok %v", c.in, z, err, c.want, c.ok)
		}
		if err == nil && z.String() != c.out {
			t.Errorf("Size(%q).String() = %q, want %q", c.in, z.String(), c.out)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
		ok   bool
	}{
		{"30s", 30 * time.Second, true},
		{"0", 0, true},
		{"1h5m", 65 * time.Minute, true},
		{"365d", 365 * 24 * time.Hour, true},
		{"65536d", 0, false},
		{"-1d", 0, false},
		{"d", 0, false},
		{"-1s", 0, false},
		{"30", 0, false},
		{"", 0, false},
	} {
		var d plugins.Duration
		if err := d.Set(c.in); (err == nil) != c.ok || time.Duration(d) != c.want {
			t.Errorf("Duration.Set(%q) = %v, %v, want %v, ok %v", c.in, d, err, c.want, c.ok)
		}
	}
}
