package live

import "time"

// Poll makes Run look at the files instead of asking the system, and often.
func (l *Live) Poll() { l.polling, l.pollEvery = true, 5*time.Millisecond }
