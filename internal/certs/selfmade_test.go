package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/certs"
)

func TestSelfMade(t *testing.T) {
	state := filepath.Join(t.TempDir(), "some", "where")
	options := certs.Options{StateDir: state, Hosts: []string{"box.example", "BOX.example.", "192.0.2.7", "2001:db8::1", "not_a_host", "127.0.0.1"}}
	tl := load(t, certs.New(options), certs.Config{})
	addr := serve(t, tl.Config)
	cert := served(t, addr, "")
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	for _, name := range []string{"localhost", "box.example", "127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"} {
		if _, err := dial(addr, &tls.Config{RootCAs: pool, ServerName: name}); err != nil {
			t.Errorf("a client that trusts it, for %s: %v", name, err)
		}
	}
	if len(cert.DNSNames) != 2 || len(cert.IPAddresses) != 4 || cert.IsCA {
		t.Errorf("names %q, addresses %v, authority %v", cert.DNSNames, cert.IPAddresses, cert.IsCA)
	}
	if days := time.Until(cert.NotAfter).Hours() / 24; days < 700 || days > 825 {
		t.Errorf("it is valid for %.0f days", days)
	}
	report := tl.Report()
	if want := "self-made, SHA-256 " + certs.Fingerprint(cert); len(report) != 1 || report[0].Value.String() != want {
		t.Errorf("Report() = %v, want %s", report, want)
	}

	again := served(t, serve(t, load(t, certs.New(options), certs.Config{}).Config), "")
	if !again.Equal(cert) {
		t.Error("another start makes another certificate")
	}
	if runtime.GOOS == "windows" {
		return // which has no modes
	}
	for path, want := range map[string]fs.FileMode{state: fs.ModeDir | 0o700, filepath.Join(state, "self-made.pem"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if entries, err := os.ReadDir(state); err != nil || len(entries) != 1 {
		t.Errorf("state directory has %v, %v, want one file", entries, err)
	}
}

func TestSelfMadeAtOnce(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	var work sync.WaitGroup
	var reports [8]string
	for i := range reports {
		work.Go(func() {
			tl, err := certs.New(certs.Options{StateDir: state}).TLS(certs.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			reports[i] = tl.Report()[0].Value.String()
		})
	}
	work.Wait()
	for _, report := range reports {
		if report != reports[0] {
			t.Errorf("two certificates: %s and %s", report, reports[0])
		}
	}
}

func TestSelfMadeIsRenewed(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	now := newClock()
	options := certs.Options{StateDir: state, Now: now.Now}
	tl := load(t, certs.New(options), certs.Config{})
	addr := serve(t, tl.Config)
	first := served(t, addr, "")
	now.advance(699 * 24 * time.Hour)
	if !served(t, addr, "").Equal(first) {
		t.Error("renewed more than 30 days before its end")
	}
	now.advance(2 * 24 * time.Hour)
	second := served(t, addr, "")
	if second.Equal(first) || second.NotAfter.Before(now.Now().Add(700*24*time.Hour)) {
		t.Errorf("29 days before its end it is not renewed: valid until %v", second.NotAfter)
	}
	if !strings.Contains(tl.Report()[0].Value.String(), certs.Fingerprint(second)) {
		t.Error("the report is about the old one")
	}
	if !served(t, serve(t, load(t, certs.New(options), certs.Config{}).Config), "").Equal(second) {
		t.Error("the new one was not kept")
	}
}

func TestSelfMadeIsMended(t *testing.T) {
	state := t.TempDir()
	log := &logged{}
	write(t, filepath.Join(state, "self-made.pem"), []byte("not a certificate"))
	m := certs.New(certs.Options{StateDir: state, Log: log.logger()})
	served(t, serve(t, load(t, m, certs.Config{}).Config), "")
	if log.count("made anew") != 1 {
		t.Errorf("nothing is said in\n%s", log)
	}
}

func TestNoStateDir(t *testing.T) {
	if _, err := certs.New(certs.Options{}).TLS(certs.Config{}); err == nil || !strings.Contains(hint(err), "--state-dir") {
		t.Errorf("TLS = %v, hint %q, want a hint at --state-dir", err, hint(err))
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		for _, c := range []certs.Config{{}, {ACME: []string{"a.example"}}} {
			_, err := certs.New(certs.Options{StateDir: dir}).TLS(c)
			if err == nil || !strings.HasPrefix(err.Error(), "state directory: ") || strings.Count(err.Error(), file) != 1 {
				t.Errorf("TLS with a file for a directory = %v", err)
			}
		}
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := certs.New(certs.Options{StateDir: dir}).TLS(certs.Config{})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(hint(err), "--state-dir") {
		t.Errorf("TLS = %v, hint %q", err, hint(err))
	}
}
