package qrcode_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gtwistd/gtwistd/internal/qrcode"
)

// escapes are what a terminal does not show.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestDraw(t *testing.T) {
	code, err := qrcode.New("http://192.168.1.10:8080")
	if err != nil {
		t.Fatal(err)
	}
	for _, colour := range []bool{false, true} {
		drawn := code.Draw(colour)
		if got := strings.Contains(drawn, "\x1b"); got != colour {
			t.Errorf("Draw(%v): escape sequences: %v", colour, got)
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		if want := (code.Width() + 1) / 2; len(lines) != want {
			t.Errorf("Draw(%v) has %d lines, want %d", colour, len(lines), want)
		}
		for i, line := range lines {
			if colour && !strings.HasSuffix(line, "\x1b[0m") {
				t.Errorf("line %d leaves the terminal coloured", i)
			}
			if n := utf8.RuneCountInString(escapes.ReplaceAllString(line, "")); n != code.Width() {
				t.Errorf("line %d is %d columns wide, want %d", i, n, code.Width())
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	if code, err := qrcode.New(strings.Repeat("x", 3000)); err == nil || !strings.Contains(err.Error(), "QR code of 3000 bytes") {
		t.Errorf("New(3000 bytes) = %v, %v, want an error", code, err)
	}
}

// TestReadable photographs what the terminal shows and gives it to a reader of codes.
func TestReadable(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed (Debian package zbar-tools)")
	}
	tests := []string{
		"http://192.168.1.10:8080",
		"https://[2001:db8::1]:8443",
		"http://10.0.0.1:1/" + strings.Repeat("long/", 40),
	}
	for i, text := range tests {
		for _, colour := range []bool{false, true} {
			t.Run(fmt.Sprint(i, colour), func(t *testing.T) {
				code, err := qrcode.New(text)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "code.png")
				if err := os.WriteFile(file, photograph(t, code.Draw(colour)), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(t.Context(), "zbarimg", "--quiet", "--raw", file).Output()
				if err != nil || strings.TrimSuffix(string(out), "\n") != text {
					t.Errorf("zbarimg reads %q, %v, want %q", out, err, text)
				}
			})
		}
	}
}

// photograph is a picture of the half blocks on a dark terminal.
func photograph(t *testing.T, drawn string) []byte {
	t.Helper()
	const zoom = 4
	lines := strings.Split(strings.TrimSuffix(escapes.ReplaceAllString(drawn, ""), "\n"), "\n")
	picture := image.NewGray(image.Rect(0, 0, zoom*utf8.RuneCountInString(lines[0]), zoom*2*len(lines)))
	for y := range picture.Rect.Max.Y {
		row := []rune(lines[y/zoom/2])
		lit := "█▀"
		if y/zoom%2 == 1 {
			lit = "█▄"
		}
		for x := range picture.Rect.Max.X {
			if strings.ContainsRune(lit, row[x/zoom]) {
				picture.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
