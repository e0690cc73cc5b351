package ftp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// reply is one answer of the server, all its lines.
type reply struct {
	code string
	text string
}

// preliminary says that another answer to the same command follows.
func (r reply) preliminary() bool { return r.code[0] == '1' }

var replyLine = regexp.MustCompile(`(?s)^([1-5][0-5][0-9])([ -]).*\r\n$`)

// readReply reads an answer in the form of RFC 959 section 4.2: three digits and a blank, or three digits and a hyphen, any lines, and
// the same three digits and a blank. io.EOF means that there is no more.
func readReply(r *bufio.Reader) (reply, error) {
	line, err := r.ReadString('\n')
	if err != nil && line == "" {
		return reply{}, io.EOF
	}
	first := replyLine.FindStringSubmatch(line)
	if err != nil || first == nil {
		return reply{}, fmt.Errorf("%q is no answer", line)
	}
	all := line
	for last := first[2] == " "; !last; {
		line, err = r.ReadString('\n')
		if all += line; err != nil || !strings.HasSuffix(line, "\r\n") {
			return reply{}, fmt.Errorf("%q is no answer: %w", all, err)
		}
		last = strings.HasPrefix(line, first[1]+" ")
	}
	return reply{first[1], all}, nil
}

// errand is a session that a fuzzer has thought out.
type errand struct {
	sent    string
	finals  int // answers that are not preliminary, the greeting too
	last    reply
	heard   strings.Builder
	visits  sync.WaitGroup
	carried [][]byte // by data connections
	mu      sync.Mutex
}

// run sends all at once, connects to whatever port it is told of, and reads answers to the end.
func (e *errand) run(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer e.visits.Wait()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { _, _ = io.WriteString(conn, e.sent) }) // until the server hangs up
	for r := bufio.NewReader(conn); ; {
		answer, err := readReply(r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e.heard.WriteString(answer.text)
		e.last = answer
		if !answer.preliminary() {
			e.finals++
		}
		if port := portOf(answer); port != "" {
			e.visits.Go(func() { e.visit(net.JoinHostPort("127.0.0.1", port)) })
		}
	}
}

// portOf reads the port of an answer to PASV or EPSV.
func portOf(r reply) string {
	text := strings.TrimSuffix(r.text, "\r\n")
	if n := extendedAnswer.FindStringSubmatch(text); n != nil {
		return n[1]
	}
	n := passiveAnswer.FindStringSubmatch(text)
	if n == nil {
		return ""
	}
	var high, low int
	_, _ = fmt.Sscan(n[5]+" "+n[6], &high, &low)
	return fmt.Sprint(high<<8 | low)
}

// visit gives what an upload would take, and takes what a download gives. Another command may have closed the port.
func (e *errand) visit(addr string) {
	data, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer data.Close()
	_ = data.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(data, "from the client")
	_ = data.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(data)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carried = append(e.carried, got)
}

// check says whether each command had its answer, up to that to QUIT, or to what ends a session before.
func (e *errand) check() error {
	lines := strings.Split(strings.TrimSuffix(e.sent, "\n"), "\n")
	own := lines[2 : len(lines)-1] // between the login and QUIT
	// Telnet's signals may be among the letters.
	quits := slices.ContainsFunc(own, regexp.MustCompile(`(?is)Q.*U.*I.*T`).MatchString)
	logsIn := slices.ContainsFunc(own, regexp.MustCompile(`(?is)P.*A.*S.*S`).MatchString)
	tooLong := slices.ContainsFunc(own, func(line string) bool { return len(line) > 3900 })
	switch {
	case e.last.code == "221" && (e.finals == 1+len(lines) || quits && e.finals < 1+len(lines)):
		return nil
	case e.last.code == "500" && tooLong, (e.last.code == "530" || e.last.code == "421") && logsIn: // another login fails
		return nil
	}
	return fmt.Errorf("%d answers to %d lines, the last %q", e.finals-1, len(lines), e.last.text)
}

// FuzzSession says that whatever a client sends, with data connections and without, each command gets one answer of FTP's form beside
// preliminary ones, QUIT ends the session, nothing is left of it, and what is outside the root is neither shown nor changed.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"NOOP", "PASV\r\nLIST\r\nABOR", "RETR ../../secret", "STAT ..", "CWD \x00\r\nPWD", "MLST /", "REST 5\r\nSTOR x",
		"EPSV\r\nRETR a\r\nNOOP\r\nSTAT\r\nABOR", "\xff\xf4\xff\xf2ABOR", "HASH \"a", "XCRC a 5 1", "HASH a b\r\nXCRC a \" 1 2\r\nMD5 1 2 3", "XCRC a 0 99999999999", "MFMT 2 a", "\n\n\n", "MD5 a -5",
		"OPTS HASH\r\nOPTS\r\nFEAT", "STAT\r\nSTAT a\r\nSTAT -l", "PASV\r\nRETR a\r\nPASV\r\nSTOR new\r\nEPSV\r\nAPPE new\r\nPASV\r\nSTOU",
		"PASV\r\nPASV\r\nEPSV\r\nLIST\r\nLIST", "EPSV\r\nMLSD\r\nEPSV\r\nNLST *\r\nEPSV\r\nLIST -la sub", "PASV\r\nSTOR outdir/new\r\nSTOR up/new\r\nSTOR out",
		"PASV\r\nRETR out\r\nRETR up/secret\r\nEPSV\r\nRETR abs/secret", "MKD up/new\r\nDELE up/secret\r\nRMD up/dir\r\nRNFR up/secret\r\nRNTO mine\r\nRNFR a\r\nRNTO up/a",
		"TYPE A\r\nPASV\r\nRETR a\r\nPASV\r\nSTOR b\r\nREST 3\r\nTYPE I\r\nREST 3\r\nPASV\r\nRETR a", "EPSV ALL\r\nPASV\r\nEPSV\r\nLIST", "QUIT\r\nNOOP",
		"MFMT 20200101000000 up/secret\r\nXMD5 up/secret\r\nHASH out", "ABOR\r\nABOR\r\nSTAT\r\nABOR",
		"PASV\r\nABOR\r\nLIST", "EPSV\r\nSTAT\r\nRETR a\r\nSTAT\r\nSTAT", "USER x\r\nPASS y", "REIN\r\nNOOP\r\nUSER ftp\r\nPASS x", "CWD " + strings.Repeat("x", 5000),
		"REIN\r\nPWD", "USER ftp\r\nUSER ftp\r\nREIN\r\nREIN", "TYPE A\r\nSIZE a\r\nSIZE ../secret", "SITE\r\nSITE HELP\r\nSITE IDLE 50\r\nSITE UMASK",
		"SITE CHMOD 600 a\r\nSITE CHMOD 600 ../secret\r\nSITE CHMOD 600 up/secret\r\nSITE CHMOD 777 out", "SITE UTIME 20200101000000 a\r\nSITE UTIME a 1 2 3 UTC\r\nSITE UTIME 20200101000000 out",
		"AVBL\r\nALLO 5\r\nREST 5\r\nRNFR a\r\nRNTO",
		"NOOP\r\x00\r\nNO\rOP\r\nNOOP\n", "MKD a\x00b\r\nSTAT\r\nSTAT .\r\nCWD a\x00b\r\nPWD\r\nMLST", "MKD 250 x\r\nMKD 213 y\r\nMKD 211 z\r\nSTAT .\r\nMLST 250 x",
	} {
		f.Add([]byte(s))
	}
	y := ftp.NewYard(f)
	outside := y.Look(f)
	srv := plugintest.Start(f, ftp.Plugin(), "--listen", anyPort, "--root", y.Root, "--writable", "--stall-timeout", "1s")
	active := regexp.MustCompile(`(?i)(PORT|EPRT)`)
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 20_000 || active.Match(sent) {
			t.Skip("is slow, or has the server connect to others of this machine")
		}
		e := &errand{sent: "USER ftp\r\nPASS x\r\n" + string(sent) + "\r\nABOR\r\nQUIT\r\n"}
		if err := e.run(srv.Addrs()[0].String()); err != nil {
			t.Fatalf("%q: %v after %q", sent, err, e.heard.String())
		}
		if err := e.check(); err != nil {
			t.Errorf("%q: %v of %q", sent, err, e.heard.String())
		}
		gone := make(chan struct{})
		go func() {
			ftp.AwaitNoSessions(srv.Service)
			close(gone)
		}()
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Fatalf("%q: something is left of the session", sent)
		}
		for _, shown := range append(e.carried, []byte(e.heard.String())) {
			if strings.Contains(string(shown), ftp.Treasure) || strings.Contains(string(shown), y.Around) {
				t.Errorf("%q: %q", sent, shown)
			}
		}
		if now := y.Look(t); !slices.Equal(now, outside) {
			t.Fatalf("%q: what is outside is\n%s\nand was\n%s", sent, strings.Join(now, "\n"), strings.Join(outside, "\n"))
		}
		y.Fill(t)
	})
}
