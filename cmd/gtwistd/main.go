// Without Multipath TCP (RFC 8684), which Go's listeners offer, each connection of a client that does not speak it costs less.
//go:debug multipathtcp=0

// Command gtwistd runs network services, in front or as a daemon.
package main

import (
	"os"

	"github.com/gtwistd/gtwistd/cmd"
	"github.com/gtwistd/gtwistd/services/echo"
	"github.com/gtwistd/gtwistd/services/ftp"
	"github.com/gtwistd/gtwistd/services/web"
)

func main() {
	os.Exit(cmd.Main(web.Plugin(), web.SecurePlugin(), ftp.Plugin(), echo.Plugin()))
}
