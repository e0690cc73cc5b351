//go:build unix

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gtwistd/gtwistd/cmd"
	"github.com/gtwistd/gtwistd/services/echo"
	"github.com/gtwistd/gtwistd/services/web"
)

// The scripts run the real program: the test binary under the names below.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gtwistd":        main,
		"gtwistd-faulty": func() { os.Exit(cmd.Main(faultyPlugin(), shownPlugin(), securePlugin(), web.Plugin(), echo.Plugin())) },
		"http":           httpClient,
		"send":           sendClient,
		"asuser":         asUser,
		"activate":       activate,
		"terminal":       terminal,
		"jsonlines":      jsonLines,
		"manager":        manager,
	})
}

func TestScripts(t *testing.T) {
	root := t.TempDir()
	letIn(t, root)
	program, err := exec.LookPath("gtwistd")
	if err != nil {
		t.Fatal(err)
	}
	letIn(t, filepath.Dir(program))
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		WorkdirRoot:   root,
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:         setUp,
		Condition:     condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"signal":    signalCommand,
			"gone":      goneCommand,
			"await":     awaitCommand,
			"pids":      pidsCommand,
			"procstate": procstateCommand,
			"dead":      deadCommand,
			"alive":     aliveCommand,
			"zombie":    zombieCommand,
			"running":   runningCommand,
			"keypair":   keypairCommand,
		},
	})
}

// letIn lets other users pass through dir and the temporary directories above it, for the scripts in which root gives up
// its rights.
func letIn(t *testing.T, dir string) {
	for ; os.Geteuid() == 0 && dir != filepath.Clean(os.TempDir()) && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

func setUp(env *testscript.Env) error {
	for _, name := range []string{"PORT", "PORT2", "PORT3"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name, port)
		env.Setenv(strings.Replace(name, "PORT", "ADDR", 1), "127.0.0.1:"+port)
	}
	env.Setenv("LOWPORT", lowPort())
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("TZ", "UTC")
	env.Setenv("STATE_DIRECTORY", filepath.Join(env.WorkDir, "state"))
	env.Defer(func() { killAll(env.WorkDir) })
	return nil
}

// ports are those that freePort has given away.
var ports sync.Map

// freePort is a port below those that the system gives to clients and to listeners of port 0, so that nobody else gets it
// before the script does.
func freePort() (string, error) {
	const first, end = 10000, 20000 // services/ftp tests ranges above, at the same time
	for range end - first {
		port := first + rand.IntN(end-first)
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			return fmt.Sprint(port), l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// lowPort is a port that only root can bind, "" if none is free.
func lowPort() string {
	for port := 1023; port > 600; port-- {
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			l.Close()
			return fmt.Sprint(port)
		}
	}
	return ""
}

// killAll ends what a failed script left running: every process that a pidfile below dir names.
func killAll(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, file := range files {
		if pid, err := readPid(file); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func readPid(file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 2 {
		return 0, fmt.Errorf("%s holds %q, not a pid", file, data)
	}
	return pid, nil
}

func condition(name string) (bool, error) {
	switch name {
	case "root": // of Linux, where all that the scripts do as root is possible
		return os.Geteuid() == 0 && runtime.GOOS == "linux", nil
	case "syslog":
		_, err := os.Stat("/dev/log")
		return err == nil, nil
	case "ipv6":
		l, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			return false, nil
		}
		return true, l.Close()
	case "namespace": // a mount namespace of its own
		return exec.Command("unshare", "-m", "true").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
