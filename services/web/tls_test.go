package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestToHTTPS(t *testing.T) {
	tests := []struct{ method, host, target, port, location string }{
		{"GET", "example.org", "/a%2Fb?c=%2F", "443", "https://example.org/a%2Fb?c=%2F"},
		{"GET", "example.org:80", "/", "443", "https://example.org/"},
		{"GET", "example.org:8080", "/", "8443", "https://example.org:8443/"},
		{"GET", "[::1]:80", "/", "443", "https://[::1]/"},
		{"GET", "[::1]:80", "/", "8443", "https://[::1]:8443/"},
		{"GET", "127.0.0.1", "/", "443", "https://127.0.0.1/"},
		{"GET", "example.org", "//evil.example/", "443", "https://example.org//evil.example/"},
		{"POST", "example.org", "/a", "443", "https://example.org/a"},
		{"GET", "", "/", "443", ""},
	}
	for _, tt := range tests {
		r, w := httptest.NewRequest(tt.method, tt.target, nil), httptest.NewRecorder()
		r.Host = tt.host
		toHTTPS{tt.port}.ServeHTTP(w, r)
		want := http.StatusMovedPermanently
		switch {
		case tt.location == "":
			want = http.StatusBadRequest
		case tt.method == "POST":
			want = http.StatusPermanentRedirect
		}
		if got := w.Header().Get("Location"); w.Code != want || got != tt.location {
			t.Errorf("%s %s of %q = %d, %q, want %d, %q", tt.method, tt.target, tt.host, w.Code, got, want, tt.location)
		}
	}
}
