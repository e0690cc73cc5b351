package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/internal/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nothing() error { return nil }

// block takes n slots until the function it returns is called, which waits for the calls' end.
func block(t *testing.T, p *pool.Pool, n int) (end func()) {
	t.Helper()
	var begun, ended sync.WaitGroup
	gate := make(chan struct{})
	for range n {
		begun.Add(1)
		ended.Go(func() {
			err := p.Do(context.Background(), func() error {
				begun.Done()
				<-gate
				return nil
			})
			if err != nil {
				t.Errorf("Do = %v", err)
			}
		})
	}
	begun.Wait()
	return func() { close(gate); ended.Wait() }
}

func TestDoReturnsTheErrorOfTheCall(t *testing.T) {
	p := pool.New(1, 0)
	if err := p.Do(t.Context(), func() error { return fs.ErrNotExist }); err != fs.ErrNotExist {
		t.Errorf("Do = %v, want %v", err, fs.ErrNotExist)
	}
	if err := p.Do(t.Context(), nothing); err != nil {
		t.Errorf("Do = %v, want nil", err)
	}
	if s := p.Stats(); s.Done != 2 || s.Busy != 0 || s.Idle != 1 {
		t.Errorf("Stats = %+v, want 2 done, none busy, 1 idle", s)
	}
}

func TestNewAndResizeCorrectTheirArguments(t *testing.T) {
	p := pool.New(-3, -1)
	if s := p.Stats(); s.Size != 1 || s.QueueLimit != 0 {
		t.Errorf("New(-3, -1): %+v, want size 1, queue 0", s)
	}
	p.Resize(0)
	if s := p.Stats(); s.Size != 1 {
		t.Errorf("Resize(0): size %d, want 1", s.Size)
	}
}

func TestFullQueueRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 2)
		end := block(t, p, 1)
		var queued sync.WaitGroup
		for range 2 {
			queued.Go(func() {
				if err := p.Do(t.Context(), nothing); err != nil {
					t.Errorf("queued Do = %v, want nil", err)
				}
			})
		}
		synctest.Wait()
		if err := p.Do(t.Context(), nothing); err != pool.ErrFull {
			t.Errorf("Do = %v, want ErrFull", err)
		}
		if _, err := pool.Go(t.Context(), p, func() (int, error) { return 1, nil }).Wait(t.Context()); err != pool.ErrFull {
			t.Errorf("Go = %v, want ErrFull", err)
		}
		if s := p.Stats(); s.Queued != 2 || s.QueueLimit != 2 || s.Rejected != 2 || s.Busy != 1 {
			t.Errorf("Stats = %+v, want 2 of 2 queued, 2 rejected, 1 busy", s)
		}
		end()
		queued.Wait()
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 20)
		end := block(t, p, 1)
		var order []int
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() { _ = p.Do(t.Context(), func() error { order = append(order, 2*i); return nil }) })
			synctest.Wait()
			f := pool.Go(t.Context(), p, func() (int, error) { order = append(order, 2*i+1); return 0, nil })
			all.Go(func() { _, _ = f.Wait(t.Context()) })
			synctest.Wait()
		}
		end()
		all.Wait()
		if len(order) != 20 || !slices.IsSorted(order) {
			t.Errorf("order = %v, want 0 to 19", order)
		}
	})
}

func TestNewcomerDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 1)
		end := block(t, p, 1)
		gate := make(chan struct{})
		first := pool.Go(t.Context(), p, func() (int, error) { <-gate; return 0, nil })
		end() // the slot goes straight to the one that waited
		if s := p.Stats(); s.Busy != 1 || s.Queued != 0 {
			t.Errorf("Stats = %+v, want 1 busy, none queued", s)
		}
		close(gate)
		if _, err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestGivingUpWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 10)
		end := block(t, p, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		ran := func() error { t.Error("a call that gave up has run"); return nil }
		f := pool.Go(ctx, p, func() (int, error) { return 0, ran() })
		began := time.Now()
		if err := p.Do(ctx, ran); err != context.DeadlineExceeded {
			t.Errorf("Do = %v, want %v", err, context.DeadlineExceeded)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("Do returned after %v, want 3s", d)
		}
		if _, err := f.Wait(t.Context()); err != context.DeadlineExceeded {
			t.Errorf("Wait = %v, want %v", err, context.DeadlineExceeded)
		}
		if s := p.Stats(); s.Queued != 0 || s.Waited != 2 || s.WaitMax != 3*time.Second {
			t.Errorf("Stats = %+v, want none queued, 2 waited, 3s at most", s)
		}
		end()
		if err := p.Do(ctx, ran); err != context.DeadlineExceeded {
			t.Errorf("Do with an ended context = %v, want %v", err, context.DeadlineExceeded)
		}
		if _, err := pool.Go(ctx, p, func() (int, error) { return 0, ran() }).Wait(t.Context()); err != context.DeadlineExceeded {
			t.Errorf("Go with an ended context = %v, want %v", err, context.DeadlineExceeded)
		}
		if s := p.Stats(); s.Done != 1 || s.Busy != 0 {
			t.Errorf("Stats = %+v, want 1 done, none busy", s)
		}
	})
}

func TestWaitTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 10)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _ = p.Do(t.Context(), func() error { time.Sleep(time.Second); return nil }) })
		}
		all.Wait()
		s := p.Stats()
		if s.Waited != 3 || s.WaitTotal != 6*time.Second || s.WaitMax != 3*time.Second {
			t.Errorf("Stats = %+v, want 3 waited, 6s together, 3s at most", s)
		}
	})
}

func TestPanicBecomesAnError(t *testing.T) {
	p := pool.New(1, 1)
	explode := func() error { panic(fs.ErrInvalid) }
	check := func(name string, err error) {
		var pe *pool.PanicError
		if !errors.As(err, &pe) || !errors.Is(err, fs.ErrInvalid) {
			t.Fatalf("%s = %v, want a PanicError around %v", name, err, fs.ErrInvalid)
		}
		text := err.Error()
		if !strings.HasPrefix(text, "panic: invalid argument\n") || !strings.Contains(text, "pool_test.go") {
			t.Errorf("%s = %s\nwant the value and the stack", name, text)
		}
		if strings.Contains(text, "panic.go") {
			t.Errorf("%s = %s\nwant no frames of the runtime", name, text)
		}
	}
	check("Do", p.Do(t.Context(), explode))
	_, err := pool.Go(t.Context(), p, func() (int, error) { return 0, explode() }).Wait(t.Context())
	check("Go", err)
	if s := p.Stats(); s.Panics != 2 || s.Done != 2 || s.Busy != 0 {
		t.Errorf("Stats = %+v, want 2 panics, 2 done, none busy", s)
	}
	if err := p.Do(t.Context(), func() error { panic(nil) }); !strings.Contains(err.Error(), "nil") {
		t.Errorf("Do of panic(nil) = %v", err)
	}
}

func TestGoexit(t *testing.T) {
	p := pool.New(1, 1)
	_, err := pool.Go(t.Context(), p, func() (int, error) { runtime.Goexit(); return 0, nil }).Wait(t.Context())
	var pe *pool.PanicError
	if !errors.As(err, &pe) || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("Wait = %v, want a PanicError", err)
	}
	var caller sync.WaitGroup
	caller.Go(func() {
		_ = p.Do(t.Context(), func() error { runtime.Goexit(); return nil })
		t.Error("Do returned after Goexit")
	})
	caller.Wait()
	if s := p.Stats(); s.Busy != 0 || s.Panics != 2 {
		t.Errorf("Stats = %+v, want none busy, 2 panics", s)
	}
}

func TestDoAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for _, tt := range []struct {
		name  string
		third func() error
		want  error
		ran   int
	}{
		{"all", nothing, nil, 4},
		{"an error leaves out the rest", func() error { return fs.ErrExist }, fs.ErrExist, 3},
		{"so does the end of the context", func() error { cancel(); return nil }, context.Canceled, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, ran := pool.New(1, 0), 0
			count := func(fn func() error) func() error { return func() error { ran++; return fn() } }
			err := p.DoAll(ctx, count(nothing), count(nothing), count(tt.third), count(nothing))
			if err != tt.want || ran != tt.ran {
				t.Errorf("DoAll = %v after %d calls, want %v after %d", err, ran, tt.want, tt.ran)
			}
			if s := p.Stats(); s.Done != 1 {
				t.Errorf("Done = %d, want 1", s.Done)
			}
		})
	}
}

func TestFutureWait(t *testing.T) {
	p := pool.New(1, 1)
	gate := make(chan struct{})
	f := pool.Go(t.Context(), p, func() (string, error) { <-gate; return "half", fs.ErrClosed })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := f.Wait(gone); v != "" || err != context.Canceled {
		t.Errorf("Wait = %q, %v, want an empty string and %v", v, err, context.Canceled)
	}
	close(gate)
	for range 2 {
		if v, err := f.Wait(t.Context()); v != "half" || err != fs.ErrClosed {
			t.Errorf("Wait = %q, %v, want both of what the call returned", v, err)
		}
	}
	if v, err := f.Wait(gone); v != "half" || err != fs.ErrClosed {
		t.Errorf("Wait with an ended context = %q, %v, want the result that is there", v, err)
	}
}

func TestRunningFutureOutlivesItsContext(t *testing.T) {
	p := pool.New(1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	f := pool.Go(ctx, p, func() (int, error) { close(begun); <-ctx.Done(); return 7, nil })
	<-begun
	cancel()
	if v, err := f.Wait(t.Context()); v != 7 || err != nil {
		t.Errorf("Wait = %d, %v, want 7", v, err)
	}
}

func TestGrowingWakesAndShrinkingLetsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, 10)
		var running atomic.Int32
		gates := make(chan struct{})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_ = p.Do(t.Context(), func() error { running.Add(1); <-gates; running.Add(-1); return nil })
			})
		}
		expect := func(what string, run int32, size, queued int) {
			t.Helper()
			synctest.Wait()
			s := p.Stats()
			if running.Load() != run || s.Busy != int(run) || s.Size != size || s.Queued != queued {
				t.Errorf("%s: %d running, %+v; want %d running of %d, %d queued", what, running.Load(), s, run, size, queued)
			}
			if s.Idle < 0 {
				t.Errorf("%s: idle %d", what, s.Idle)
			}
		}
		expect("at first", 1, 1, 4)
		p.Resize(4)
		expect("grown", 4, 4, 1)
		p.Resize(2)
		expect("shrunk", 4, 2, 1)
		gates <- struct{}{}
		expect("one ended", 3, 2, 1)
		gates <- struct{}{}
		expect("two ended", 2, 2, 1)
		gates <- struct{}{}
		expect("three ended", 2, 2, 0)
		close(gates)
		all.Wait()
	})
}

func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, 10)
		var results []*pool.Future[int]
		for i := range 6 {
			results = append(results, pool.Go(t.Context(), p, func() (int, error) { time.Sleep(time.Second); return i, nil }))
		}
		began := time.Now()
		closed := make(chan error)
		go func() { closed <- p.Close(t.Context()) }()
		synctest.Wait()
		if err := p.Do(t.Context(), nothing); err != pool.ErrClosed {
			t.Errorf("Do while closing = %v, want ErrClosed", err)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("Close took %v, want 3s", d)
		}
		for i, f := range results {
			if v, err := f.Wait(t.Context()); v != i || err != nil {
				t.Errorf("future %d = %d, %v", i, v, err)
			}
		}
		if _, err := pool.Go(t.Context(), p, func() (int, error) { return 0, nil }).Wait(t.Context()); err != pool.ErrClosed {
			t.Errorf("Go after Close = %v, want ErrClosed", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("second Close = %v, want nil", err)
		}
	})
}

func TestCloseDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, 10)
		end := block(t, p, 2)
		var queued sync.WaitGroup
		queued.Go(func() {
			if err := p.Do(t.Context(), nothing); err != pool.ErrClosed {
				t.Errorf("queued Do = %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		f := pool.Go(t.Context(), p, func() (int, error) { t.Error("has run"); return 0, nil })
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := p.Close(ctx)
		const want = "worker pool: 2 calls still running, 2 waiting ones cancelled: context deadline exceeded"
		if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v, want %s", err, want)
		}
		queued.Wait()
		if _, err := f.Wait(t.Context()); err != pool.ErrClosed {
			t.Errorf("queued future = %v, want ErrClosed", err)
		}
		end()
		if err := p.Close(ctx); err != nil {
			t.Errorf("Close after the end of all = %v, want nil", err)
		}
	})
}

// Whatever is accepted ends exactly once, whatever is refused never runs, and no more run than there are slots.
func TestStress(t *testing.T) {
	const callers, rounds, most = 16, 300, 4
	p := pool.New(most, 8)
	var running, ran, accepted atomic.Int64
	work := func() (int, error) {
		if n := running.Add(1); n > most {
			t.Errorf("%d run at once, want at most %d", n, most)
		}
		runtime.Gosched()
		ran.Add(1)
		running.Add(-1)
		return 1, nil
	}
	count := func(v int, err error) {
		switch {
		case err == nil:
			accepted.Add(int64(v))
		case err == pool.ErrFull, err == pool.ErrClosed, err == context.Canceled:
		default:
			t.Errorf("call = %v", err)
		}
	}
	var all, resizer sync.WaitGroup
	stop := make(chan struct{})
	resizer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				p.Resize(1 + i%most)
				p.Stats()
				runtime.Gosched()
			}
		}
	})
	for range callers {
		all.Go(func() {
			for range rounds {
				ctx, cancel := context.WithCancel(t.Context())
				f := pool.Go(ctx, p, work)
				if rand.N(3) == 0 {
					cancel()
				}
				err := p.Do(ctx, func() error { _, err := work(); return err })
				count(1, err)
				count(f.Wait(t.Context()))
				cancel()
			}
		})
	}
	all.Wait()
	close(stop)
	resizer.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	s := p.Stats()
	if ran.Load() != accepted.Load() || s.Done != uint64(ran.Load()) || s.Busy != 0 || s.Queued != 0 {
		t.Errorf("%d ran, %d accepted, %+v; want all alike and nothing left", ran.Load(), accepted.Load(), s)
	}
}

func TestCloseRacingWithCalls(t *testing.T) {
	for range 200 {
		p := pool.New(2, 4)
		var ran, accepted atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					f := pool.Go(t.Context(), p, func() (int, error) { ran.Add(1); return 1, nil })
					errDo := p.Do(t.Context(), func() error { ran.Add(1); return nil })
					if errDo == nil {
						accepted.Add(1)
					}
					n, errGo := f.Wait(t.Context())
					accepted.Add(int64(n))
					if errDo == pool.ErrClosed && errGo == pool.ErrClosed {
						return
					}
				}
			})
		}
		runtime.Gosched()
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		atClose := ran.Load()
		all.Wait()
		if n := ran.Load(); n != atClose || n != accepted.Load() {
			t.Fatalf("%d ran until Close returned, %d in all, %d accepted; want all alike", atClose, n, accepted.Load())
		}
	}
}

func BenchmarkDo(b *testing.B) {
	p := pool.New(64, 64)
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Do(b.Context(), nothing)
	}
}

func BenchmarkDoParallel(b *testing.B) {
	p := pool.New(64, 64)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = p.Do(ctx, nothing)
		}
	})
}

func BenchmarkDoQueued(b *testing.B) {
	p := pool.New(1, 1024)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = p.Do(ctx, nothing)
		}
	})
}

func BenchmarkGo(b *testing.B) {
	p := pool.New(64, 64)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = pool.Go(ctx, p, func() (int, error) { return 1, nil }).Wait(ctx)
	}
}

func Example() {
	ctx := context.Background()
	p := pool.New(2, 100)
	hash := pool.Go(ctx, p, func() (string, error) { return "5d41", nil })
	err := p.Do(ctx, func() error { return fs.ErrNotExist })
	sum, _ := hash.Wait(ctx)
	fmt.Println(sum, err)
	fmt.Println(p.Close(ctx))
	// Output:
	// 5d41 file does not exist
	// <nil>
}
