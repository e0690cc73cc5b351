package web_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins"
	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/web"
)

// TestUpload sends files through all of the service, and takes them back as one.
func TestUpload(t *testing.T) {
	dir := directory(t, map[string]string{"sub/a.txt": "a"})
	srv := plugintest.Start(t, web.Plugin(), "--port", "0", "--path", dir, "--upload", "--upload-max", "1K", "--archive")
	base := "http://" + srv.Addrs()[0].String()
	defer http.DefaultClient.CloseIdleConnections()
	for _, tt := range []struct {
		name string
		size int
		want int
	}{{"new.txt", 1 << 10, 201}, {"new.txt", 1, 409}, {"large.txt", 1<<10 + 1, 413}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/sub/"+tt.name, strings.NewReader(strings.Repeat("x", tt.size)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tt.want {
			t.Errorf("PUT of %s with %d bytes = %d, want %d", tt.name, tt.size, res.StatusCode, tt.want)
		}
	}
	if status, body := get(t, srv.Addrs()[0], "/sub/?archive=tar"); status != 200 || !strings.Contains(body, "sub/new.txt") {
		t.Errorf("the archive = %d, %d bytes", status, len(body))
	}
}

func TestUploadIsRefusedEarly(t *testing.T) {
	dir := directory(t, map[string]string{"a.txt": "a"})
	for name, args := range map[string][]string{
		"a single file":   {"--path", filepath.Join(dir, "a.txt"), "--upload"},
		"overwrite alone": {"--path", dir, "--upload-overwrite"},
	} {
		_, _, err := makeOn(t, append([]string{"--port", "0"}, args...)...)
		if _, ok := errors.AsType[*plugins.UsageError](err); !ok {
			t.Errorf("%s: %v, want a usage error", name, err)
		}
	}
}

// TestPasswordsByAnotherName says that a hard link to the password file is not served.
func TestPasswordsByAnotherName(t *testing.T) {
	dir := directory(t, map[string]string{"public/a.html": "<p>", "users": "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"})
	if err := os.Link(filepath.Join(dir, "users"), filepath.Join(dir, "public", "b.txt")); err != nil {
		t.Skipf("no hard links here: %v", err)
	}
	srv := plugintest.Start(t, web.Plugin(), "--port", "127.0.0.1:0", "--path", filepath.Join(dir, "public"), "--auth", filepath.Join(dir, "users"))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, want := range map[string]int{"a.html": 200, "b.txt": 404} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+srv.Addrs()[0].String()+"/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("joe", "secret")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", name, res.StatusCode, want)
		}
	}
}
