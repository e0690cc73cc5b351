package contest

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Table is the result: figures beside each other, one row for each thing that was measured.
type Table struct{ rows [][4]string }

// Add puts a row at the end; what was not measured is empty.
func (t *Table) Add(what, ours, peer, remark string) {
	t.rows = append(t.rows, [4]string{what, ours, peer, remark})
}

// Print writes the table as Markdown, with columns wide enough to be read as plain text too.
func (t *Table) Print(w io.Writer) {
	rows := append([][4]string{{"figure", "gtwistd", "peer", "remark"}, {}}, t.rows...)
	var width [4]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			if n == 1 {
				fmt.Fprintf(w, "|%s", dashes(width[i]+2))
				continue
			}
			fmt.Fprintf(w, "| %-*s ", width[i], cell)
		}
		fmt.Fprintln(w, "|")
	}
}

func dashes(n int) string {
	return string(slices.Repeat([]byte{'-'}, n))
}

// Median is the middle of the values, which it sorts.
func Median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// Spread are median, smallest and largest of some times.
func Spread(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	times = slices.Clone(times)
	mid := Median(times)
	return fmt.Sprintf("%s ms (%s to %s)", millis(mid), millis(times[0]), millis(times[len(times)-1]))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

// Rates are median, smallest and largest of some quantities per second.
func Rates(values []float64, unit string) string {
	if len(values) == 0 {
		return ""
	}
	values = slices.Clone(values)
	mid := Median(values)
	return fmt.Sprintf("%s %s (%s to %s)", number(mid), unit, number(values[0]), number(values[len(values)-1]))
}

// number has as many digits as a measurement deserves.
func number(value float64) string {
	if value < 100 {
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.0f", value)
}

// Ratio is the median of pairs taken in the same round, which what slows the machine for a while slows alike.
func Ratio(ours, theirs []float64) float64 {
	quotients := make([]float64, 0, len(ours))
	for i := range ours {
		quotients = append(quotients, ours[i]/theirs[i])
	}
	return Median(quotients)
}
