//go:build unix

package daemon_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/daemon"
	"golang.org/x/sys/unix"
)

type confined struct {
	Threads []string // distinct lines about users and groups in /proc/self/task/*/status
	Count   int
	Dir     string
	Entries []string
	Mode    os.FileMode
	Zone    string
	Root    string // how an attempt to become root again failed
}

func confineRoles() map[string]func([]string) int {
	return map[string]func([]string) int{
		"threads": func([]string) int {
			for range 8 {
				ready := make(chan bool)
				go func() { runtime.LockOSThread(); ready <- true; select {} }()
				<-ready
			}
			id := &daemon.Identity{UID: 1234, GID: 2345, Groups: []int{2345, 3456}}
			if err := daemon.Confine(daemon.Confinement{Identity: id}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			c := confined{Root: errorText(unix.Setuid(0))}
			seen := map[string]bool{}
			tasks, _ := filepath.Glob("/proc/self/task/*/status")
			c.Count = len(tasks)
			for _, task := range tasks {
				status, _ := os.ReadFile(task)
				for line := range strings.Lines(string(status)) {
					name, value, _ := strings.Cut(line, ":")
					if wanted := name == "Uid" || name == "Gid" || name == "Groups" || name == "CapEff" || name == "CapPrm"; wanted && !seen[line] {
						seen[line] = true
						c.Threads = append(c.Threads, name+" "+strings.Join(strings.Fields(value), " "))
					}
				}
			}
			tell(os.Stdout, c)
			return 0
		},
		"chroot": func(args []string) int {
			umask := 0o027
			if err := daemon.Confine(daemon.Confinement{Chroot: args[0], Dir: args[1], Umask: &umask}); err != nil {
				fmt.Print(err)
				return 0
			}
			var c confined
			c.Dir, _ = os.Getwd()
			entries, _ := os.ReadDir("/")
			for _, e := range entries {
				c.Entries = append(c.Entries, e.Name())
			}
			if os.WriteFile("new", nil, 0o666) == nil {
				info, _ := os.Stat("new")
				c.Mode = info.Mode()
			}
			c.Zone = time.Date(2026, 1, 1, 0, 0, 0, 0, time.Local).Format("MST")
			tell(os.Stdout, c)
			return 0
		},
		"confine as nobody": func(args []string) int {
			if err := becomeNobody(); err != nil {
				return 1
			}
			identity, err := daemon.LookupIdentity(args[1], args[2])
			if err == nil {
				err = daemon.Confine(daemon.Confinement{Chroot: args[0], Identity: identity})
			}
			fmt.Print(errorText(err))
			return 0
		},
	}
}

func TestConfineAllThreads(t *testing.T) {
	needRoot(t)
	if runtime.GOOS != "linux" {
		t.Skip("reads Linux's /proc")
	}
	c := heard[confined](t, play(t, "threads"))
	want := []string{"Uid 1234 1234 1234 1234", "Gid 2345 2345 2345 2345", "Groups 2345 3456", "CapPrm 0000000000000000", "CapEff 0000000000000000"}
	if !reflect.DeepEqual(c.Threads, want) || c.Count < 9 {
		t.Errorf("%d threads say %q, want %q", c.Count, c.Threads, want)
	}
	if c.Root != "operation not permitted" {
		t.Errorf("setuid(0) = %q", c.Root)
	}
}

func TestChroot(t *testing.T) {
	needRoot(t)
	tests := []struct{ name, dir, working, err string }{
		{"top", "", "/", ""},
		{"dot", ".", "/", ""},
		{"inside", "sub", "/sub", ""},
		{"absolute", "/sub", "/sub", ""},
		{"missing", "/absent", "", "rundir /absent in chroot %s: no such file or directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			jail := t.TempDir()
			if err := os.Mkdir(filepath.Join(jail, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, "chroot", jail, test.dir)
			zone := filepath.Join("/usr/share/zoneinfo", "Asia/Tokyo")
			_, zoneErr := os.Stat(zone)
			cmd.Env = append(cmd.Env, "TZ=Asia/Tokyo")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if test.err != "" {
				if want := fmt.Sprintf(test.err, jail); string(out) != want {
					t.Errorf("Confine = %s, want %s", out, want)
				}
				return
			}
			c := heard[confined](t, string(out))
			if c.Dir != test.working || !reflect.DeepEqual(c.Entries, []string{"sub"}) || c.Mode != 0o640 {
				t.Errorf("in %q of %q, new file %v", c.Dir, c.Entries, c.Mode)
			}
			if zoneErr == nil && c.Zone != "JST" {
				t.Errorf("time zone %s", c.Zone)
			}
		})
	}
}

func TestConfineErrors(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	err := daemon.Confine(daemon.Confinement{Dir: absent})
	if want := "rundir " + absent + ": no such file or directory"; errorText(err) != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Confine = %v, want %s", err, want)
	}
	needRoot(t)
	err = daemon.Confine(daemon.Confinement{Chroot: absent})
	if want := "chroot " + absent + ": no such file or directory"; errorText(err) != want {
		t.Errorf("Confine = %v, want %s", err, want)
	}
	for _, test := range []struct{ name, chroot, uid, gid, want string }{
		{"chroot", "/", "", "", "chroot /: operation not permitted"},
		{"root", "", "root", "", "setgroups [0]: operation not permitted"},
		{"group", "", "", "0", "setgroups [0]: operation not permitted"},
		{"already there", "", itoa(nobody), itoa(nobody), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if said := play(t, "confine as nobody", test.chroot, test.uid, test.gid); said != test.want {
				t.Errorf("Confine = %q, want %q", said, test.want)
			}
		})
	}
}

func TestConfineNothing(t *testing.T) {
	if err := daemon.Confine(daemon.Confinement{}); err != nil {
		t.Error(err)
	}
}

func TestLookupIdentity(t *testing.T) {
	tests := []struct {
		name, uid, gid string
		want           daemon.Identity
		err            string
	}{
		{"name", "root", "", daemon.Identity{UID: 0, GID: 0, Groups: []int{0}, Name: "root"}, ""},
		{"number", "0", "", daemon.Identity{UID: 0, GID: 0, Groups: []int{0}, Name: "root"}, ""},
		{"other group", "root", "54321", daemon.Identity{UID: 0, GID: 54321, Groups: []int{54321}, Name: "root"}, ""},
		{"unknown number with a group", "54321", "54322", daemon.Identity{UID: 54321, GID: 54322, Groups: []int{54322}, Name: "54321"}, ""},
		{"unknown number", "54321", "", daemon.Identity{}, `uid "54321": no such user, so its group is unknown`},
		{"unknown user", "nosuchuser", "", daemon.Identity{}, `uid "nosuchuser": no such user`},
		{"unknown group", "root", "nosuchgroup", daemon.Identity{}, `gid "nosuchgroup": no such group`},
		{"negative", "-1", "", daemon.Identity{}, `uid "-1": no such user`},
		{"all ones", "4294967295", "0", daemon.Identity{}, `uid "4294967295": not a number from 0 to 4294967294`},
		{"too large", "0", "99999999999", daemon.Identity{}, `gid "99999999999": not a number from 0 to 4294967294`},
		{"group alone", "", "54321", daemon.Identity{UID: os.Getuid(), GID: 54321, Groups: []int{54321}, Name: itoa(os.Getuid())}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := daemon.LookupIdentity(test.uid, test.gid)
			if errorText(err) != test.err {
				t.Fatalf("LookupIdentity(%q, %q) = %v, want %q", test.uid, test.gid, err, test.err)
			}
			if err == nil && !reflect.DeepEqual(*got, test.want) {
				t.Errorf("LookupIdentity(%q, %q) = %+v, want %+v", test.uid, test.gid, *got, test.want)
			}
		})
	}
	if id, err := daemon.LookupIdentity("", ""); id != nil || err != nil {
		t.Errorf("LookupIdentity of nothing = %v, %v", id, err)
	}
}

func TestParseUmask(t *testing.T) {
	tests := []struct {
		text string
		want int
		ok   bool
	}{
		{"022", 0o022, true}, {"77", 0o077, true}, {"0", 0, true}, {"0777", 0o777, true},
		{"1000", 0, false}, {"8", 0, false}, {"", 0, false}, {"-1", 0, false}, {"u=rw", 0, false},
	}
	for _, test := range tests {
		if got, err := daemon.ParseUmask(test.text); got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseUmask(%q) = %o, %v, want %o", test.text, got, err, test.want)
		}
	}
}
