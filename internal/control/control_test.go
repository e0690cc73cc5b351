package control_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gtwistd/gtwistd/internal/control"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	if path := os.Getenv(childSocket); path != "" {
		os.Exit(askAsNobody(path))
	}
	goleak.VerifyTestMain(m)
}

func sample() control.Status {
	return control.Status{
		State: "running", PID: 4242, Version: "0.1.0", UptimeSeconds: 3*3600 + 12*60 + 7,
		Started: time.Date(2026, 11, 20, 14, 3, 11, 0, time.FixedZone("", 3600)),
		Pidfile: "/run/site.pid", Logfile: "/var/log/site.log", Rundir: "/srv", LogDropped: 12,
		Services: []control.Service{
			{
				Name: "web", Plugin: "web", State: "running", Connections: 3,
				Listeners: []control.Listener{
					{URL: "http://127.0.0.1:8080/", Address: "127.0.0.1:8080", Network: "tcp", Spec: "tcp:8080"},
					{URL: "https://127.0.0.1:8443/", Address: "127.0.0.1:8443", Network: "tcp", Spec: "ssl:8443", TLS: true},
				},
				Report: control.Report{{"root", "/srv/www"}, {"index", "index.html"}, {"a long name", "x"}},
			},
			{
				Name: "echo-2", Plugin: "echo", State: "reloading", Connections: 1,
				Listeners: []control.Listener{
					{Address: "[::]:7007", Network: "udp", Spec: "udp:7007"},
					{Address: "/run/\x1b[31mecho", Network: "unix", Spec: "unix:/run/echo"},
					{Address: "[::]:7008", Network: "tcp", Spec: "ssl:7008", TLS: true},
				},
				Report: control.Report{{"idle\ntimeout", "1m0s\a"}},
			},
		},
		Pool: control.Pool{Size: 64, Busy: 2, Idle: 62, QueueLimit: 1024, Done: 1234, Rejected: 3, Panics: 1,
			Waited: 4, WaitTotalSeconds: 0.01, WaitMaxSeconds: 0.00456789},
	}
}

func TestWriteText(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status control.Status
	}{
		{"full", sample()},
		{"empty", control.Status{State: "starting", PID: 1, Version: "dev", UptimeSeconds: 5, Started: sample().Started}},
		{"pidfile", control.Status{State: "running", PID: 4242, Pidfile: "/run/site.pid"}},
		{"lock", control.Status{State: "running", Pidfile: "/run/site.pid"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got bytes.Buffer
			if err := control.WriteText(&got, tt.status); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "status_"+tt.name+".golden")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("WriteText wrote\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

func TestStatusJSON(t *testing.T) {
	text, err := json.MarshalIndent(sample(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "status.json")
	if *update {
		if err := os.WriteFile(golden, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(text, '\n'), want) {
		t.Errorf("JSON is\n%s\nwant\n%s", text, want)
	}
	var back control.Status
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if again, err := json.MarshalIndent(back, "", "  "); err != nil || !bytes.Equal(again, text) {
		t.Errorf("read and written again it is\n%s\n%v", again, err)
	}
}

func TestEmptyListsInJSON(t *testing.T) {
	text, err := json.Marshal(control.Status{Started: sample().Started})
	if err != nil || !bytes.Contains(text, []byte(`"services":[]`)) {
		t.Errorf("Marshal = %s, %v, want no null", text, err)
	}
	text, err = json.Marshal(control.Status{Started: sample().Started, Services: make([]control.Service, 1)})
	if err != nil || bytes.Contains(text, []byte("null")) {
		t.Errorf("Marshal = %s, %v, want no null", text, err)
	}
}

func TestUnknownIsNotInvented(t *testing.T) {
	for _, tt := range []struct {
		status control.Status
		want   string
	}{
		{control.Status{State: "running", PID: 4242, Pidfile: "/run/site.pid"}, `{"state":"running","pid":4242,"pidfile":"/run/site.pid"}`},
		{control.Status{State: "running", Pidfile: "/run/site.pid"}, `{"state":"running","pidfile":"/run/site.pid"}`},
	} {
		if text, err := json.Marshal(tt.status); err != nil || string(text) != tt.want {
			t.Errorf("Marshal = %s, %v, want %s", text, err, tt.want)
		}
	}
}

func TestReportFromJSON(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       control.Report
		ok         bool
	}{
		{"order is kept", `{"z":"1","a":"2","m":""}`, control.Report{{"z", "1"}, {"a", "2"}, {"m", ""}}, true},
		{"empty", `{}`, nil, true},
		{"null", `null`, nil, true},
		{"an array", `["a"]`, nil, false},
		{"a number", `{"a":1}`, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := control.Report{{"old", "value"}}
			err := json.Unmarshal([]byte(tt.text), &got)
			if (err == nil) != tt.ok {
				t.Fatalf("Unmarshal(%s) = %v, want ok %v", tt.text, err, tt.ok)
			}
			if tt.ok && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Unmarshal(%s) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestSocketPath(t *testing.T) {
	for pidfile, want := range map[string]string{
		"gtwistd.pid":   "gtwistd.sock",
		"/run/site.pid": "/run/site.sock",
		"/run/site":     "/run/site.sock",
		"a.pid/b":       "a.pid/b.sock",
		"/run/.pid":     "/run/.pid.sock",
		"":              "",
	} {
		if got := control.SocketPath(pidfile); got != want {
			t.Errorf("SocketPath(%q) = %q, want %q", pidfile, got, want)
		}
	}
}
