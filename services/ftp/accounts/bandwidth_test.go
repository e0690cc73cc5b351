package accounts

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// within reports whether got is want, with a hundredth of it and the credit of a pause.
func within(got, want time.Duration) bool { return (got - want).Abs() <= want/100+credit }

func TestLimiter(t *testing.T) {
	tests := []struct {
		name  string
		rate  int64
		chunk int
		total int64
		want  time.Duration
	}{
		{"no limit", 0, 1 << 20, 1 << 30, 0},
		{"slow", 1000, 512, 100_000, 100 * time.Second},
		{"one byte", 1, 1, 60, 60 * time.Second},
		{"chunks of many turns", 1000, 10_000, 100_000, 100 * time.Second},
		{"fast", 1 << 30, 1 << 20, 5 << 30, 5 * time.Second},
		{"tiny chunks", 1 << 20, 16, 1 << 20, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l limiter
				l.SetRate(tt.rate)
				began := time.Now()
				for sent := int64(0); sent < tt.total; sent += int64(tt.chunk) {
					if err := l.Wait(t.Context(), tt.chunk); err != nil {
						t.Fatal(err)
					}
				}
				if got := time.Since(began); !within(got, tt.want) {
					t.Errorf("%d bytes took %v, want %v", tt.total, got, tt.want)
				}
			})
		})
	}
}

// TestLimiterSharesAlike lets transfers with large and small chunks share a rate.
func TestLimiterSharesAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		l.SetRate(100_000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		chunks := []int{100_000, 10_000, 10_000, 5000}
		sent := make([]int, len(chunks))
		var work sync.WaitGroup
		for i, chunk := range chunks {
			work.Go(func() {
				for l.Wait(ctx, chunk) == nil {
					sent[i] += chunk
				}
			})
		}
		work.Wait()
		sum := 0
		for i, n := range sent {
			sum += n
			if n < 1_300_000 || n > 1_700_000 {
				t.Errorf("chunks of %d: %d bytes passed, want 1500000", chunks[i], n)
			}
		}
		if sum > 6_010_000 || sum < 5_800_000 {
			t.Errorf("%d bytes passed, want 6000000", sum)
		}
	})
}

func TestLimiterKeepsNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		l.SetRate(1000)
		time.Sleep(time.Hour)
		began := time.Now()
		if err := l.Wait(t.Context(), 10_000); err != nil || !within(time.Since(began), 10*time.Second) {
			t.Errorf("Wait() = %v after %v, want 10s", err, time.Since(began))
		}
	})
}

func TestLimiterChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		l.SetRate(10)
		began := time.Now()
		var work sync.WaitGroup
		work.Go(func() {
			if err := l.Wait(t.Context(), 1000); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second)
		l.SetRate(0)
		work.Wait()
		if got := time.Since(began); got > 11*time.Second {
			t.Errorf("the old rate lasts until %v", got)
		}
	})
}

func TestLimiterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l limiter
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l.SetRate(100)
		began := time.Now()
		if err := l.Wait(ctx, 10_000); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Wait() = %v after %v", err, time.Since(began))
		}
		// What was not sent is not paid for.
		if err := l.Wait(t.Context(), 100); err != nil || !within(time.Since(began), 2*time.Second) {
			t.Errorf("Wait() = %v after %v, want 2s", err, time.Since(began))
		}
		l.SetRate(0)
		if err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() without a limit and with an ended context = %v", err)
		}
	})
}

func TestLimiterChunk(t *testing.T) {
	for rate, want := range map[int64]int{0: 1 << 20, 1: 512, 10_000: 1000, 1 << 40: 1 << 20} {
		var l limiter
		l.SetRate(rate)
		if got := l.Chunk(1 << 20); got != want {
			t.Errorf("Chunk() at %d bytes a second = %d, want %d", rate, got, want)
		}
	}
}
