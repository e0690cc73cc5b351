// Package plugintest is the conformance kit of gtwistd: the contract that every plugin passes, and a runner in miniature
// for a plugin's own tests. It is for tests only.
//
// A plugin's test begins with
//
//	func TestContract(t *testing.T) {
//		plugintest.Run(t, hello.Plugin(), plugintest.Config{
//			Args:    []string{"--listen", "127.0.0.1:0"},
//			BadArgs: [][]string{{"--greeting", ""}},
//		})
//	}
//
// and goes on with a service that really runs, on real sockets of the loopback interface:
//
//	srv := plugintest.Start(t, hello.Plugin(), "--listen", "127.0.0.1:0")
//	conn, err := net.Dial("tcp", srv.Addrs()[0].String())
package plugintest

import (
	"net"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins"
)

// giveUp is how long the kit waits for something that a working plugin does at once. It only decides how soon a hang is
// called one, so it is generous: a loaded machine must not fail a test.
const giveUp = 20 * time.Second

// Config says what the kit cannot know about a plugin.
type Config struct {
	// Args is a command line, without the plugin's name, under which the service starts. Listen on port 0.
	Args []string
	// BadArgs are command lines that are wrong: each must be refused while it is parsed, or by Make with a
	// *plugins.UsageError.
	BadArgs [][]string
	// Dial opens a connection to one of the service's listeners and returns only when the service has accepted it. Nil
	// means dialing the first stream listener, which proves nothing about acceptance but does for most.
	Dial func(t testing.TB, addrs []net.Addr) net.Conn
}

// Run checks the contract that plugins.Plugin, Maker and Service state, one subtest for each clause. The subtests count
// goroutines, so t must not run beside parallel tests.
func Run(t *testing.T, p plugins.Plugin, c Config) {
	t.Helper()
	if c.Dial == nil {
		c.Dial = dialFirst
	}
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			if err := check.holds(t, p, c); err != nil {
				t.Error(err)
			}
		})
	}
}

// checks is the contract.
var checks = []struct {
	name  string
	holds func(testing.TB, plugins.Plugin, Config) error
}{
	{"the registry takes it", registers},
	{"flags are described", flagsDescribed},
	{"options are fresh each time", optionsFresh},
	{"examples parse", examplesParse},
	{"bad flags are usage errors", badArgsRefused},
	{"a bind error comes back", bindErrorReturned},
	{"cancel ends it", cancelEnds},
	{"an open connection ends with the grace period", graceEnds},
	{"report and reload while serving", reportAndReload},
	{"two instances side by side", twoInstances},
}
