package logfile

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // zones with odd midnights, whatever the machine has
)

func TestNextMidnight(t *testing.T) {
	tests := []struct{ name, zone, now, want string }{
		{"plain", "UTC", "2026-11-20 09:16:43", "2026-11-21 00:00:00 +0000"},
		{"end of year", "UTC", "2026-12-31 23:59:59", "2027-01-01 00:00:00 +0000"},
		{"at midnight", "UTC", "2026-11-20 00:00:00", "2026-11-21 00:00:00 +0000"},
		{"23 hours", "Europe/Berlin", "2026-03-29 00:00:00", "2026-03-30 00:00:00 +0200"},
		{"25 hours", "Europe/Berlin", "2026-10-25 00:00:00", "2026-10-26 00:00:00 +0100"},
		{"no midnight in Brazil", "America/Sao_Paulo", "2018-11-03 12:00:00", "2018-11-04 01:00:00 -0200"},
		{"no midnight in Lebanon", "Asia/Beirut", "2022-03-26 23:59:59", "2022-03-27 01:00:00 +0300"},
		{"midnight twice in Cuba", "America/Havana", "2026-10-31 12:00:00", "2026-11-01 00:00:00 -0400"},
		{"23:00 twice in Brazil", "America/Sao_Paulo", "2018-02-17 12:00:00", "2018-02-18 00:00:00 -0300"},
		{"a day that was left out in Samoa", "Pacific/Apia", "2011-12-29 12:00:00", "2011-12-31 00:00:00 +1400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.ParseInLocation(time.DateTime, tt.now, zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := nextMidnight(now).Format("2006-01-02 15:04:05 -0700"); got != tt.want {
				t.Errorf("nextMidnight(%v) = %v, want %v", now, got, tt.want)
			}
		})
	}
}

// TestRun lets a file live through days with odd midnights without a write at midnight.
func TestRun(t *testing.T) {
	for name, start := range map[string]string{
		"UTC": "2026-12-28", "Europe/Berlin": "2026-10-21", "America/Sao_Paulo": "2018-10-31", "Asia/Beirut": "2022-03-23", "Pacific/Apia": "2011-12-26",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runDays(t, name, start) })
		})
	}
}

func runDays(t *testing.T, name, start string) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	first, err := time.ParseInLocation(time.DateOnly, start, zone)
	if err != nil {
		t.Fatal(err)
	}
	offset := time.Until(first)
	clock := func() time.Time { return time.Now().Add(offset).In(zone) }
	dir := t.TempDir()
	path := filepath.Join(dir, "x.log")
	f, err := Open(path, Options{Now: clock, Keep: 6 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	for range 10 {
		now := clock()
		if _, err := f.Write([]byte(now.Format(time.DateOnly) + "\n")); err != nil {
			t.Fatal(err)
		}
		midnight := nextMidnight(now)
		time.Sleep(midnight.Sub(now) + time.Millisecond)
		synctest.Wait()
		want := filepath.Join(dir, "x-"+now.Format(time.DateOnly)+"T23-59-59.999.log")
		if b, err := os.ReadFile(want); err != nil || string(b) != now.Format(time.DateOnly)+"\n" {
			t.Fatalf("a moment after midnight %s = %q, %v", want, b, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != 0 {
			t.Fatalf("the new file: %v, %v", info, err)
		}
		time.Sleep(13 * time.Hour)
	}
	cancel()
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	old, err := listRotated(path, zone)
	if err != nil || len(old) < 5 || len(old) > 7 {
		t.Errorf("%d rotated files are left, %v, want those of about six days", len(old), err)
	}
}

// TestClockJumps: a machine that was suspended, or whose clock was set, rotates within a minute.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var jump time.Duration
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(jump).UTC()
		}
		path := filepath.Join(t.TempDir(), "x.log")
		f, err := Open(path, Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { f.Run(ctx) })
		for i, d := range []time.Duration{0, 26 * time.Hour, -26 * time.Hour, 50 * time.Hour} {
			if _, err := f.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			jump += d
			mu.Unlock()
			time.Sleep(recheck)
			synctest.Wait()
			old, err := listRotated(path, time.UTC)
			if want := []int{0, 1, 1, 2}[i]; err != nil || len(old) != want {
				t.Errorf("after %v: %d rotated files, %v, want %d", d, len(old), err, want)
			}
		}
	})
}
