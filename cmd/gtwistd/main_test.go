package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gtwistd/gtwistd/cmd"
	"github.com/gtwistd/gtwistd/services/echo"
)

// The scripts run the real program: the test binary under the names below.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gtwistd":        main,
		"gtwistd-faulty": func() { os.Exit(cmd.Main(faultyPlugin(), echo.Plugin())) },
		"http":           httpClient,
		"send":           sendClient,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:         setUp,
		Condition:     condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"signal":    signalCommand,
			"gone":      goneCommand,
			"await":     awaitCommand,
			"pids":      pidsCommand,
			"procstate": procstateCommand,
		},
	})
}

func setUp(env *testscript.Env) error {
	for i, name := range []string{"PORT", "PORT2", "PORT3"} {
		port, err := freePort(i)
		if err != nil {
			return err
		}
		env.Setenv(name, port)
		env.Setenv(strings.Replace(name, "PORT", "ADDR", 1), "127.0.0.1:"+port)
	}
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("TZ", "UTC")
	env.Defer(func() { killAll(env.WorkDir) })
	return nil
}

func freePort(int) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
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
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}
