package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// table is the result: figures beside each other, one row for each thing that was measured.
type table struct{ rows [][4]string }

// add puts a row at the end; what was not measured is empty.
func (t *table) add(what, ours, peer, remark string) {
	t.rows = append(t.rows, [4]string{what, ours, peer, remark})
}

// print writes the table as Markdown, with columns wide enough to be read as plain text too.
func (t *table) print(w io.Writer) {
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

// median is the middle of the values, which it sorts.
func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// spread are median, smallest and largest of some times.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	times = slices.Clone(times)
	mid := median(times)
	return fmt.Sprintf("%s ms (%s to %s)", millis(mid), millis(times[0]), millis(times[len(times)-1]))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

// rates are median, smallest and largest of some quantities per second.
func rates(values []float64, unit string) string {
	if len(values) == 0 {
		return ""
	}
	values = slices.Clone(values)
	mid := median(values)
	return fmt.Sprintf("%.0f %s (%.0f to %.0f)", mid, unit, values[0], values[len(values)-1])
}

// ratio is the median of pairs taken in the same round, which what slows the machine for a while slows alike.
func ratio(ours, theirs []float64) float64 {
	quotients := make([]float64, 0, len(ours))
	for i := range ours {
		quotients = append(quotients, ours[i]/theirs[i])
	}
	return median(quotients)
}
