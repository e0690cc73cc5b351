package plugins_test

import (
	"path/filepath"
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
		out  string
	}{
		{"30s", 30 * time.Second, true, "30s"},
		{"0", 0, true, "0s"},
		{"0d", 0, true, "0s"},
		{"1h5m", 65 * time.Minute, true, "1h5m0s"},
		{"36h", 36 * time.Hour, true, "36h0m0s"},
		{"48h", 48 * time.Hour, true, "2d"},
		{"365d", 365 * 24 * time.Hour, true, "365d"},
		{"65536d", 0, false, ""},
		{"-1d", 0, false, ""},
		{"d", 0, false, ""},
		{"-1s", 0, false, ""},
		{"30", 0, false, ""},
		{"30x", 0, false, ""},
		{"", 0, false, ""},
	} {
		var d plugins.Duration
		err := d.Set(c.in)
		if (err == nil) != c.ok || time.Duration(d) != c.want {
			t.Errorf("Duration.Set(%q) = %v, %v, want %v, ok %v", c.in, d, err, c.want, c.ok)
		}
		if err == nil && d.String() != c.out {
			t.Errorf("Duration(%q).String() = %q, want %q", c.in, d.String(), c.out)
		}
	}
}

// TestPath says that a path stays the same when the program changes its directory.
func TestPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, set, given, abs string
	}{
		{"relative", "a/b", "a/b", filepath.Join(here, "a", "b")},
		{"word", "OFF", "off", ""},
		{"a file called like a word", "./off", "./off", filepath.Join(here, "off")},
		{"prefix", "file:a", "a", filepath.Join(here, "a")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plugins.Path{Words: []string{"off"}, Prefix: "file:"}
			if err := p.Set(tt.set); err != nil {
				t.Fatal(err)
			}
			if p.String() != tt.given || p.Abs() != tt.abs {
				t.Errorf("Set(%q) makes it %q, %q, want %q, %q", tt.set, p.String(), p.Abs(), tt.given, tt.abs)
			}
		})
	}
	p := plugins.PathHere("DIR")
	if p.Abs() != here || p.Name() != here || p.Given != "" {
		t.Errorf("PathHere is %q, called %q, given %q", p.Abs(), p.Name(), p.Given)
	}
	if err := p.Set(""); err == nil {
		t.Error("an empty path is taken")
	}
}

// colour is a type of its own that a flag sets.
type colour string

const (
	red  colour = "red"
	blue colour = "blue"
)

func TestChoice(t *testing.T) {
	c := blue
	value := plugins.Choice(&c, red, blue)
	if value.String() != "blue" || value.Type() != "red|blue" {
		t.Errorf("String(), Type() = %q, %q, want blue and red|blue", value, value.Type())
	}
	for s, want := range map[string]colour{"red": red, "BLUE": blue} {
		if err := value.Set(s); err != nil || c != want || value.String() != string(want) {
			t.Errorf("Set(%q) = %v, now %q and %q, want %q", s, err, c, value, want)
		}
	}
	c = red
	for _, s := range []string{"", "green", "re"} {
		if err := value.Set(s); err == nil || err.Error() != "not one of red, blue" || c != red {
			t.Errorf("Set(%q) = %v, now %q", s, err, c)
		}
	}
}
