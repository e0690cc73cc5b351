package ftp_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// FuzzSession says that whatever a client sends, it gets answers of FTP's form, nothing from outside the root, and QUIT works
// or the server hangs up.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"NOOP\r\n", "PASV\r\nLIST\r\nABOR\r\n", "RETR ../../secret\r\n", "STAT ..\r\n", "CWD \x00\r\nPWD\r\n", "MLST /\r\n", "REST 5\r\nSTOR x\r\n",
		"EPSV\r\nRETR a\r\nNOOP\r\nSTAT\r\nABOR\r\n", "\xff\xf4\xff\xf2ABOR\r\n", "HASH \"a\r\n", "XCRC a 5 1\r\n", "XCRC a 0 99999999999\r\n", "MFMT 2 a\r\n", "\n\n\n", "MD5 a -5\r\n",
		"OPTS HASH\r\nOPTS\r\nFEAT\r\n", "STAT\r\nSTAT a\r\nSTAT -l\r\n",
		"REIN\r\nPWD\r\n", "USER ftp\r\nUSER ftp\r\nREIN\r\nREIN\r\n", "TYPE A\r\nSIZE a\r\nSIZE ../secret\r\n", "SITE\r\nSITE HELP\r\nSITE IDLE 5\r\nSITE UMASK\r\n",
		"SITE CHMOD 600 a\r\nSITE CHMOD 600 ../secret\r\n", "SITE UTIME 20200101000000 a\r\nSITE UTIME a 1 2 3 UTC\r\n", "AVBL\r\nALLO 5\r\nREST 5\r\nRNFR a\r\nRNTO\r\n",
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	inside := filepath.Join(dir, "root")
	for _, err := range []error{
		os.Mkdir(inside, 0o755), os.WriteFile(filepath.Join(dir, "secret"), []byte("top-s3cret-c0ntent"), 0o600), os.WriteFile(filepath.Join(inside, "a"), []byte("abc"), 0o600),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	srv := plugintest.Start(f, ftp.Plugin(), "--listen", anyPort, "--root", inside, "--writable")
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := net.Dial("tcp", srv.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "USER ftp\r\nPASS x\r\n"+string(sent)+"\r\nABOR\r\nQUIT\r\n")
		got, err := io.ReadAll(conn)
		if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // net returns its own
			t.Fatalf("after %q: no end of %q", sent, got)
		}
		if strings.Contains(string(got), "top-s3cret-c0ntent") || strings.Contains(string(got), dir) {
			t.Errorf("after %q: %q", sent, got)
		}
	})
}
