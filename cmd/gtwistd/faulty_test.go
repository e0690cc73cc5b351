//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/gtwistd/gtwistd/plugins"
)

// faulty is a service that goes wrong in the way and at the time that its options say.
type faulty struct {
	inMake, inServe string
	listen          string
	listener        net.Listener
	log             *slog.Logger
}

func faultyPlugin() plugins.Plugin {
	return plugins.Plugin{Name: "faulty", Summary: "go wrong on request", New: func() plugins.Maker { return &faulty{} }}
}

func (f *faulty) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.inMake, "make", "", "what goes wrong before ready")
	fs.StringVar(&f.inServe, "serve", "", "what goes wrong afterwards")
	fs.StringVar(&f.listen, "listen", "tcp:127.0.0.1:0", "where to listen")
}

func (f *faulty) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	l, err := env.Listen(ctx, f.listen)
	if err != nil {
		return nil, err
	}
	f.listener, f.log = l, env.Log
	return f, f.goWrong(ctx, f.inMake)
}

func (f *faulty) Serve(ctx context.Context) error {
	defer f.listener.Close()
	if err := f.goWrong(ctx, f.inServe); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// Leave goes wrong, too, if Serve is stuck.
func (f *faulty) Leave(ctx context.Context) {
	f.log.Info("takes leave")
	if f.inServe == "stuck" {
		<-ctx.Done()
		panic("faulty panics at the farewell")
	}
}

func (f *faulty) Reload(context.Context) error {
	if f.inServe == "reload" {
		return errors.New("certificate: no such file")
	}
	return nil
}

func (f *faulty) goWrong(ctx context.Context, how string) error {
	switch how {
	case "error":
		return errors.New("it went wrong\nin two lines " + strings.Repeat("and at length ", 10000))
	case "usage":
		return &plugins.UsageError{Reason: `--listen "x": not an address`, Suggestion: "use tcp:8080"}
	case "panic":
		panic("faulty panics")
	case "crash":
		go panic("faulty crashes")
		select {}
	case "exit":
		os.Exit(7)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "stuck":
		select {}
	case "file":
		return untilRemoved("waiting")
	case "environment":
		fmt.Println("NOTIFY_SOCKET=" + os.Getenv("NOTIFY_SOCKET"))
	case "fds":
		return listDescriptors()
	case "print":
		return printInAllWays()
	}
	return nil
}

// untilRemoved creates a file and returns when somebody has removed it.
func untilRemoved(path string) error {
	holdFile(path)
	return nil
}

// printInAllWays writes to stdout and stderr as stray code does; the last line has no end.
func printInAllWays() error {
	fmt.Println("from fmt")
	fmt.Fprintln(os.Stderr, "from stderr")
	if _, err := unix.Write(1, []byte("raw one\n")); err != nil {
		return err
	}
	if _, err := unix.Write(2, []byte("raw two\n")); err != nil {
		return err
	}
	child := exec.Command("sh", "-c", "echo from a child; echo complaint of a child >&2")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Run(); err != nil {
		return err
	}
	fmt.Print("without an end")
	return nil
}

func listDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		fmt.Println("descriptor", e.Name(), target)
	}
	return nil
}
