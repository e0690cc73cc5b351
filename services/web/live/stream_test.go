package live

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Config{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		close(l.watching)
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", streamPath+"?since="+l.version.String(), nil)
		w := httptest.NewRecorder()
		var work sync.WaitGroup
		work.Go(func() { l.stream(w, r) })
		time.Sleep(2*heartbeat + time.Second)
		leave()
		work.Wait()
		id := "id: " + l.version.String() + "\n\n"
		if got, want := w.Body.String(), "retry: 1000\n"+strings.Repeat(id, 3); got != want || !w.Flushed {
			t.Errorf("stream = %q, flushed %v, want %q", got, w.Flushed, want)
		}
	})
}
