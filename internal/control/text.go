package control

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// WriteText prints s for people: the process, each service with its addresses, connections and report, then the pool. With a
// zero Started only what the pidfile tells is known, and nothing else is printed.
// Control characters in names are quoted, so that they do not reach a terminal. The error is w's.
func WriteText(w io.Writer, s Status) error {
	var b bytes.Buffer
	if s.Started.IsZero() {
		writeKnown(&b, s)
	} else {
		writeWhole(&b, s)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func writeKnown(b *bytes.Buffer, s Status) {
	b.WriteString("gtwistd is " + clean(s.State))
	if s.PID != 0 {
		fmt.Fprintf(b, ", pid %d", s.PID)
	}
	b.WriteByte('\n')
	table(b, []Field{{"pidfile", clean(s.Pidfile)}})
}

func writeWhole(b *bytes.Buffer, s Status) {
	writeProcess(b, s)
	for _, sv := range s.Services {
		b.WriteByte('\n')
		writeService(b, s, sv)
	}
	b.WriteByte('\n')
	writePool(b, s.Pool)
}

func writeProcess(b *bytes.Buffer, s Status) {
	fmt.Fprintf(b, "gtwistd %s is %s, pid %d, up %s\n", clean(s.Version), clean(s.State), s.PID, uptime(s.UptimeSeconds))
	logfile := clean(s.Logfile)
	if s.LogDropped > 0 {
		logfile = strings.TrimSpace(logfile + " (" + count(s.LogDropped, "record") + " dropped)")
	}
	if s.LogError != "" {
		logfile = strings.TrimSpace(logfile + " (cannot be written, records wait: " + clean(s.LogError) + ")")
	}
	table(b, []Field{
		{"started", s.Started.Format("2006-01-02 15:04:05 -0700")},
		{"rundir", clean(s.Rundir)},
		{"pidfile", clean(s.Pidfile)},
		{"logfile", logfile},
	})
}

func writeService(b *bytes.Buffer, s Status, sv Service) {
	b.WriteString(clean(sv.Name))
	if sv.Plugin != sv.Name && sv.Plugin != "" {
		fmt.Fprintf(b, " (%s)", clean(sv.Plugin))
	}
	if sv.State != s.State && sv.State != "" {
		fmt.Fprintf(b, " is %s", clean(sv.State))
	}
	fmt.Fprintf(b, ", %s, %d since the start", count(uint64(max(sv.Connections, 0)), "open connection"), sv.Accepted)
	if sv.Dropped > 0 {
		fmt.Fprintf(b, ", %d of them without a PROXY header", sv.Dropped)
	}
	b.WriteByte('\n')
	for _, l := range sv.Listeners {
		fmt.Fprintf(b, "  %s\n", clean(l.name()))
	}
	report := make([]Field, 0, len(sv.Report))
	for _, f := range sv.Report {
		report = append(report, Field{clean(f.Name), clean(f.Value)})
	}
	table(b, report)
}

// name returns what tells a person most about l.
func (l Listener) name() string {
	switch {
	case l.URL != "":
		return l.URL
	case l.TLS:
		return l.Network + " " + l.Address + " (TLS)"
	}
	return l.Network + " " + l.Address
}

func writePool(b *bytes.Buffer, p Pool) {
	fmt.Fprintf(b, "pool: %d of %d busy, %d of at most %d queued; %d done, %d rejected, %s\n",
		p.Busy, p.Size, p.Queued, p.QueueLimit, p.Done, p.Rejected, count(p.Panics, "panic"))
	if p.Waited == 0 {
		return
	}
	fmt.Fprintf(b, "      %s waited for a slot, %v on average, %v at most\n", count(p.Waited, "call"),
		wait(p.WaitTotalSeconds/float64(p.Waited)), wait(p.WaitMaxSeconds))
}

func wait(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Microsecond)
}

// table prints the fields that have a value, the values below one another.
func table(b *bytes.Buffer, fields []Field) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f.Value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", f.Name, f.Value)
		}
	}
	_ = t.Flush() // a bytes.Buffer takes everything
}

func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.FormatUint(n, 10) + " " + thing + "s"
}

// uptime tells the two largest units: "3 d 4 h", "4 h 11 min", "11 min 5 s", "5 s".
func uptime(seconds int64) string {
	units := []struct {
		name    string
		seconds int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	for i, u := range units {
		n := seconds / u.seconds
		if n == 0 || i == len(units)-1 {
			continue
		}
		next := units[i+1]
		return fmt.Sprintf("%d %s %d %s", n, u.name, seconds%u.seconds/next.seconds, next.name)
	}
	return fmt.Sprintf("%d s", seconds)
}

// clean quotes a text that would do more to a terminal than be seen.
func clean(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
