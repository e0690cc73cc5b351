package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/bench/contest"
)

// serve answers with a body of some bytes over plain HTTP, and over TLS with a certificate of contest.Certificate.
func serve(t *testing.T, size int) (plain, encrypted *httptest.Server) {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", size)) // slow clients leave
	})
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := contest.Certificate(certFile, keyFile, time.Now()); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	plain, encrypted = httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	encrypted.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	encrypted.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(encrypted.Close)
	return plain, encrypted
}

func TestFetchTakesAll(t *testing.T) {
	const size = 3 << 20
	plain, encrypted := serve(t, size)
	for _, srv := range []*httptest.Server{plain, encrypted} {
		var received atomic.Int64
		if err := fetch(srv.URL+"/file", time.Now().Add(time.Minute), &received); err != nil {
			t.Errorf("%s: %v", srv.URL, err)
		}
		if n := received.Load(); n < size || n > size+size/10 {
			t.Errorf("%s: %d bytes came, want %d and a header", srv.URL, n, size)
		}
		if err := fetch(srv.URL+"/missing", time.Now().Add(time.Minute), &received); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("%s: error %v, want one that says 404", srv.URL, err)
		}
	}
}

func TestLoadsCount(t *testing.T) {
	plain, _ := serve(t, 1<<20)
	if rate, err := download(plain.URL+"/file", time.Second); err != nil || rate <= 0 {
		t.Errorf("download = %v, %v", rate, err)
	}
	if rate, err := sequence(plain.URL+"/file", time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("sequence = %v, %v", rate, err)
	}
	if _, err := sequence(plain.URL+"/missing", time.Millisecond); err == nil {
		t.Error("sequence of a file that is not there: no error")
	}
}

func TestCrowdStaysUntilItIsStopped(t *testing.T) {
	plain, _ := serve(t, 32<<20)
	crowd := gather(context.Background(), plain.Listener.Addr().String(), "/file", 3)
	if thrown := crowd.stop(); thrown != 0 {
		t.Errorf("%d thrown out, want none", thrown)
	}
}
