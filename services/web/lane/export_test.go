package lane

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
