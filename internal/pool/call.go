package pool

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is the error of a call that panicked, or that ended its goroutine with runtime.Goexit.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the call, as printed by the runtime.
	Stack []byte
}

var errGoexit = errors.New("runtime.Goexit was called")

// Error returns the value and, on the following lines, the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// run calls fn in a slot that the caller has taken and gives it back. The result goes through a pointer because
// runtime.Goexit leaves only to deferred functions the chance to say something.
func (p *Pool) run(fn func() error, result *error) {
	returned := false
	defer func() {
		if !returned {
			v := recover()
			if v == nil {
				v = errGoexit
			}
			*result = &PanicError{Value: v, Stack: callStack()}
		}
		p.finish(returned)
	}()
	*result = fn()
	returned = true
}

// finish counts a call and gives its slot back.
func (p *Pool) finish(returned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if !returned {
		p.panics++
	}
	p.busy--
	p.handOut()
}

// callStack returns the stack without the frames of the panic itself: the first one left is where it happened.
func callStack() []byte {
	stack := bytes.TrimSpace(debug.Stack())
	head, frames, _ := bytes.Cut(stack, []byte("\n"))
	for _, call := range []string{"\npanic(", "\nruntime.Goexit("} {
		if i := bytes.LastIndex(frames, []byte(call)); i >= 0 {
			lines := bytes.SplitN(frames[i+1:], []byte("\n"), 3)
			return bytes.Join([][]byte{head, lines[len(lines)-1]}, []byte("\n"))
		}
	}
	return stack
}
