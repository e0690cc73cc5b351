package ftp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gtwistd/gtwistd/plugins/plugintest"
	"github.com/gtwistd/gtwistd/services/ftp"
)

// The sums of a sentence, as others have published them.
const (
	fox       = "The quick brown fox jumps over the lazy dog"
	foxCRC32  = "414fa339"
	foxMD5    = "9e107d9d372bb6826bd81d3542a419d6"
	foxSHA1   = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
	foxSHA256 = "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592"
	foxSHA512 = "07e547d9586f6a73f73fbac0435ed76951218fb7d0c8d788a309d785436bbb642e93a252a954f23912547d1e8a3b5ed6e1bfd7097821233fa0538f3db854fee6"
)

func TestSums(t *testing.T) {
	dir := directory(t, map[string]string{"fox": fox, "sub/with space": "<<" + fox + ">>", "large": strings.Repeat("a", 1_000_000)})
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", dir)
	c := anonymous(t, srv)
	sum := func(line, code, want string) {
		t.Helper()
		if got := c.do(line, code+"-"); !strings.HasSuffix(got, "\r\n"+code+" "+want) {
			t.Errorf("%s = %q, want %q at its end", line, got, want)
		}
	}
	for name, want := range map[string]string{"CRC32": foxCRC32, "MD5": foxMD5, "SHA-1": foxSHA1, "SHA-256": foxSHA256, "SHA-512": foxSHA512} {
		c.do("OPTS HASH "+name, "200 "+name)
		sum("HASH fox", "213", fmt.Sprintf("%s 0-%d %s fox", name, len(fox), want))
		sum("HASH /fox", "213", fmt.Sprintf("%s 0-%d %s /fox", name, len(fox), want))
		if feat := c.do("FEAT", "211-"); !strings.Contains(feat, name+"*;") || strings.Count(feat, "*;") != 4 { // three are of MLST
			t.Errorf("FEAT = %q, want a mark at %s", feat, name)
		}
	}
	end := len(fox) + 2
	for verb, want := range map[string]string{
		"XCRC": foxCRC32, "MD5": foxMD5, "XMD5": foxMD5, "XSHA": foxSHA1, "XSHA1": foxSHA1, "XSHA256": foxSHA256, "XSHA512": foxSHA512,
	} {
		c.do("CWD /", "250")
		sum(verb+" fox", "250", want)
		sum(verb+" /fox 0", "250", want)
		sum(fmt.Sprintf("%s %q 2 %d", verb, "/sub/with space", end), "250", want)
		c.do("CWD sub", "250")
		sum(fmt.Sprintf("%s %q 2 %d", verb, "with space", end), "250", want)
	}
	c.do("CWD /", "250")
	sum("XMD5 fox 5 5", "250", "d41d8cd98f00b204e9800998ecf8427e") // of nothing
	sum("XSHA1 large", "250", "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
	for _, tt := range []struct{ line, want string }{
		{"HASH", "501"},
		{"HASH missing", "550 missing: no such file or directory."},
		{"HASH sub", "55"},
		{"XCRC fox 5 4", "554"},
		{"XCRC fox -1", "554"},
		{"XCRC fox x", "501"},
		{"XCRC \"fox", "501"},
	} {
		c.do(tt.line, tt.want)
	}
}
