package ftp_test

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// TestWrittenInPlace says that an upload of which nothing is left is none: its file was deleted, or another took its place.
func TestWrittenInPlace(t *testing.T) {
	dir := directory(t, map[string]string{"f": "", "other": "other"})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--writable", "--upload", "direct")
	c, other := anonymous(t, srv), anonymous(t, srv)
	data := begin(t, c, "STOR f", "content")
	other.do("DELE f", "250")
	end(c, data, "451 The file was deleted or replaced meanwhile.")

	write(t, filepath.Join(dir, "f"), "")
	data = begin(t, c, "APPE f", "content")
	other.do("RNFR other", "350")
	other.do("RNTO f", "250")
	end(c, data, "451 The file was deleted or replaced meanwhile.")
	holds(t, "other", dir, "f")

	data = begin(t, c, "STOR f", "content")
	other.do("RNFR f", "350")
	other.do("RNTO g", "250")
	end(c, data, "226")
	holds(t, "content", dir, "g")
}

// TestShorter says that a download is not complete when the file has become shorter than it was.
func TestShorter(t *testing.T) {
	const size = 64 << 20 // more than socket buffers hold
	for _, mode := range []string{"off", "allow"} {
		t.Run("tls "+mode, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "f")
			write(t, file, "")
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
			srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir, "--tls", mode)
			c := anonymous(t, srv)
			config := trusting()
			if mode == "allow" {
				c.do("REIN", "220")
				c.startTLS(config)
				c.do("USER anonymous", "331")
				c.do("PASS x", "230")
				c.do("PBSZ 0", "200")
				c.do("PROT P", "200")
			}
			data := net.Conn(c.pasv())
			c.do("RETR f", "150")
			if mode == "allow" {
				data = tls.Client(data, config)
			}
			if _, err := io.ReadFull(data, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, size/2); err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, data); n >= size-1 {
				t.Fatalf("%d bytes came, %v", n, err)
			}
			c.want("451")
		})
	}
}

// TestShorterInThePipe cuts off of a file what is on its way to the client already: it comes as zeros, or not at all.
func TestShorterInThePipe(t *testing.T) {
	const size = 9 << 20
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	write(t, file, strings.Repeat("x", size))
	c := anonymous(t, plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir))
	data := c.pasv()
	if err := data.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c.do("RETR f", "150")
	if _, err := io.ReadFull(data, make([]byte, 4<<20)); err != nil { // the rest is more than a socket buffer holds
		t.Fatal(err)
	}
	if err := os.Truncate(file, size-512<<10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, data); err != nil {
		t.Fatal(err)
	}
	c.want("451 The file has become shorter meanwhile.")
}
