package ftp_test

import (
	"crypto/sha1"
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
		{"XCRC fox x", "550 fox x: no such file"},
		{"XCRC " + strings.Repeat(`"x`, 1900), "501"},
		{"XCRC x" + strings.Repeat(`"x`, 1900) + " 1", "501 The name is too long."},
		{"HASH x" + strings.Repeat(`"x`, 1900), "501 The name is too long."},
		{"XCRC \"fox", "501"},
	} {
		c.do(tt.line, tt.want)
	}
}

// TestSumsOfNames says that a name needs no quotes, and where it ends.
func TestSumsOfNames(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{
		"with space", `qu"ote`, `two "quoted words"`, "com,ma", " leading", "trailing ", "  ", `a""b`, "tab\t", "semi;colon", "ümläut", "new\nline", "12", "file", "sub/in here",
		"x 1 y", "c\rr",
	} {
		files[name] = fox
	}
	files["file 2"] = "file 2"
	files["file 2 20"] = "file 2 20"
	files["-1"] = fox
	files[`"in quotes"`] = fox
	srv := plugintest.Start(t, ftp.Plugin(), "--listen", anyPort, "--root", directory(t, files))
	c := anonymous(t, srv)
	sha1Of := func(s string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(s))) }
	c.do("OPTS HASH SHA-1", "200")
	for name, content := range files {
		name = strings.NewReplacer("\n", "\x00", "\r", "\r\x00").Replace(name)
		word := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		lines := map[string]string{"HASH " + word: "", "XSHA1 " + word: "", "XSHA1 " + word + " 1": content[1:]}
		if name != `"in quotes"` { // needs quotes
			lines["HASH "+name], lines["XSHA1 "+name] = "", ""
		}
		for line, of := range lines {
			if of == "" {
				of = content
			}
			want := sha1Of(of)
			if verb, _, _ := strings.Cut(line, " "); verb == "HASH" {
				want = fmt.Sprintf("SHA-1 0-%d %s %s", len(content), want, strings.ReplaceAll(name, "\r\x00", "\x00"))
			}
			if got := c.do(line, "2"); !strings.HasSuffix(got, " "+want) {
				t.Errorf("%q = %q, want %q at its end", line, got, want)
			}
		}
	}
	for line, of := range map[string]string{
		"XSHA1 with space 4":     fox[4:],
		"XSHA1 with space 4 9":   fox[4:9],
		`XSHA1 qu"ote 4 9`:       fox[4:9],
		"XSHA1 trailing  4":      fox[4:],
		"XSHA1  leading 4":       fox[4:],
		"XSHA1 12 3":             fox[3:],
		"XSHA1 -1 3":             fox[3:],
		"XSHA1 x 1 y 3 4":        fox[3:4],
		"XSHA1 file 2":           "file 2",    // not file, from 2
		"XSHA1 file 2 20":        "file 2 20", // nor file 2, from 20
		"XSHA1 file 2 3":         "e 2",
		"XSHA1 file 3":           fox[3:],
		"XSHA1 file 3 20":        fox[3:20],
		"XSHA1 file 2 20 1":      "ile 2 20",
		`XSHA1 "file" 2`:         fox[2:],
		`XSHA1 "file" 2 20`:      fox[2:20],
		`XSHA1 "file 2" 5`:       "2",
		"XSHA1 /sub/in here 2 4": fox[2:4],
		"XSHA1 sub/../file 2":    "file 2",
	} {
		if got := c.do(line, "250-"); !strings.HasSuffix(got, "250 "+sha1Of(of)) {
			t.Errorf("%q = %q, want the sum of %q", line, got, of)
		}
	}
	for line, want := range map[string]string{
		"XSHA1 no file 2":  "550 no file: no such file",
		"HASH no file 2":   "550 no file 2: no such file",
		"XSHA1 sub 2":      "55",
		"XSHA1 file 5 4":   "554",
		`XSHA1 "file" 2 x`: "501",
		`HASH "file`:       "501",
	} {
		c.do(line, want)
	}
}
