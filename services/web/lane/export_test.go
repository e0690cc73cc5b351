package lane

import "runtime"

// Count returns how many connections are counted, and of how many addresses.
func (l *Lane) Count() (conns, addresses int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count, len(l.perIP)
}

// AwaitCount waits until no more than n connections are counted.
func (l *Lane) AwaitCount(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count > n {
		l.less.Wait()
	}
}

// AwaitCountOf waits until n connections are counted.
func (l *Lane) AwaitCountOf(n int) {
	for count, _ := l.Count(); count != n; count, _ = l.Count() {
		runtime.Gosched()
	}
}

// AwaitStopping waits until Stop has told the connections.
func (l *Lane) AwaitStopping() {
	for !l.stopping.Load() {
		runtime.Gosched()
	}
	l.Count() // it holds the lock until then
}
