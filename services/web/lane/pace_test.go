package lane

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const rate, stall, later = 100, 20 * time.Second, 5 * time.Second
	for _, tt := range []struct {
		name  string
		taken []int64 // at each look, in all
		idle  bool    // the client has all that there is
		want  int     // the look that finds it too slow, -1 for none
	}{
		{"nothing", []int64{0, 0, 0, 0, 0}, false, 4},
		{"a byte a second", []int64{5, 10, 15, 20, 25}, false, 4},
		{"half the rate", []int64{250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2250}, false, 8},
		{"the rate", []int64{500, 1000, 1500, 2000, 2500, 3000, 3500, 4000}, false, -1},
		{"the rate, at once", []int64{0, 0, 0, 2000, 2000, 2000, 2000, 4000}, false, -1},
		{"much, then nothing", []int64{1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40}, false, 5},
		{"nothing to take", []int64{0, 0, 0, 0, 0, 0, 0, 0}, true, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, got := pace{credit: stall}, -1
			for i, taken := range tt.taken {
				if p = p.next(progress{taken, !tt.idle}, later, rate, stall); p.credit < 0 {
					got = i
					break
				}
			}
			if got != tt.want {
				t.Errorf("too slow at look %d, want %d", got, tt.want)
			}
		})
	}
}
