package cmd

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

const noFollow = 0

// controllingTerminal does not exist: closing a console ends its processes.
type controllingTerminal struct{}

func findTerminal() *controllingTerminal  { return nil }
func (t *controllingTerminal) gone() bool { return false }
func duplicate(f *os.File) (*os.File, error) {
	var own windows.Handle
	process := windows.CurrentProcess()
	err := windows.DuplicateHandle(process, windows.Handle(f.Fd()), process, &own, 0, false, windows.DUPLICATE_SAME_ACCESS)
	if err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(own), f.Name()), nil
}
