package certs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/internal/certs"
)

func TestChangedFiles(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issueTo(t, dir, "a", "first")
	log, now := &logged{}, newClock()
	m := certs.New(certs.Options{Dir: dir, Now: now.Now, Log: log.logger()})
	addr := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.crt", Key: "a.key"}}}).Config)
	expect := func(when, want string) {
		t.Helper()
		if got := served(t, addr, "x.example").Subject.CommonName; got != want {
			t.Errorf("%s: the certificate is the %s, want the %s", when, got, want)
		}
	}
	expect("at first", "first")

	ca.issueTo(t, dir, "a", "second")
	expect("before two seconds are over", "first")
	now.advance(3 * time.Second)
	expect("two seconds later", "second")
	if n := log.count("certificates read anew"); n != 1 {
		t.Errorf("%d records of the change, want 1\n%s", n, log)
	}

	cert, key := ca.issue(t, "third")
	write(t, filepath.Join(dir, "a.key"), key)
	now.advance(3 * time.Second)
	expect("with a new key only", "second")
	if log.count("level=ERROR") != 0 {
		t.Errorf("a pair that may be half written is called bad\n%s", log)
	}
	for range 3 {
		now.advance(3 * time.Second)
		expect("with a new key only, later", "second")
	}
	if n := log.count("level=ERROR"); n != 1 || !strings.Contains(log.String(), "does not belong") {
		t.Errorf("%d errors, want one of the pair that stays bad\n%s", n, log)
	}

	write(t, filepath.Join(dir, "a.crt"), cert[:len(cert)-30])
	now.advance(3 * time.Second)
	expect("with half a certificate", "second")
	write(t, filepath.Join(dir, "a.crt"), cert)
	now.advance(3 * time.Second)
	expect("with a whole one", "third")

	if err := os.Remove(filepath.Join(dir, "a.key")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		now.advance(3 * time.Second)
		expect("without a key file", "third")
	}
	if n := log.count("no such file"); n != 1 {
		t.Errorf("%d errors of the lost file, want 1\n%s", n, log)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	for _, name := range []string{"a", "b", "c"} {
		ca.issueTo(t, dir, name, name+".example", "old")
	}
	m := certs.New(certs.Options{Dir: dir})
	two := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "a.pem"}, {Cert: "b.crt", Key: "b.key"}}}).Config)
	one := serve(t, load(t, m, certs.Config{Pairs: []certs.Pair{{Cert: "c.pem"}}}).Config)
	expect := func(when string, want ...string) {
		t.Helper()
		got := []string{served(t, two, "a.example").DNSNames[1], served(t, two, "b.example").DNSNames[1], served(t, one, "c.example").DNSNames[1]}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: certificates %q, want %q", when, got, want)
		}
	}
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("unchanged", "old", "old", "old")

	ca.issueTo(t, dir, "a", "a.example", "new")
	ca.issueTo(t, dir, "c", "c.example", "new")
	cert, key := ca.issue(t, "b.example", "new")
	write(t, filepath.Join(dir, "b.key"), key)
	if err := m.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), `"b.key" does not belong`) {
		t.Errorf("Reload = %v, want one about b.key", err)
	}
	expect("one bad pair of two", "old", "old", "new")

	write(t, filepath.Join(dir, "b.crt"), cert)
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("all good", "new", "new", "new")
}
