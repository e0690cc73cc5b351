//go:build !linux

package contest

import (
	"context"
	"os/exec"
)

func alone(context.Context) (done bool, err error) { return false, nil }

// Outside is a command that sees the network of the machine.
func Outside(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}
