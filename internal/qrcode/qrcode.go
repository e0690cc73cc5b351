// Package qrcode draws QR codes (ISO/IEC 18004) on a terminal:
//
//	code, err := qrcode.New("http://192.168.1.10:8080")
//	… fmt.Fprint(os.Stdout, code.Draw(true))
package qrcode

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is how many light modules surround a code, as the standard asks.
const quiet = 4

// Code is a QR code. It never changes, so it is safe for concurrent use.
type Code struct {
	code *qr.Code
}

// New encodes text, at the lowest level of error correction: a screen has no scratches, and small codes fit more
// terminals. The error says that the text is too long.
func New(text string) (*Code, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("QR code of %d bytes: %w", len(text), err)
	}
	return &Code{code}, nil
}

// Width is how many columns of a terminal the drawing takes, or modules, with the quiet zone.
func (c *Code) Width() int { return c.code.Size + 2*quiet }

// dark reports whether a module is dark. x and y count from 0, left and top, and are below Width.
func (c *Code) dark(x, y int) bool { return c.code.Black(x-quiet, y-quiet) }

// Draw returns lines of half blocks, each as wide as the code and two modules high. With colour they are black on white
// whatever the terminal's own colours are. Without, light modules are drawn and dark ones left out: right on a dark
// terminal, and on a light one an inverted code, which most readers take.
func (c *Code) Draw(colour bool) string {
	var b strings.Builder
	for y := 0; y < c.Width(); y += 2 {
		if colour {
			b.WriteString(paper)
		}
		for x := range c.Width() {
			// The code is odd in height: below its last line nothing is drawn.
			b.WriteString(halves(!c.dark(x, y), y+1 < c.Width() && !c.dark(x, y+1)))
		}
		if colour {
			b.WriteString(reset)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const (
	// paper is white on black of the 256 colours, as themes change what the first sixteen look like.
	paper = "\x1b[38;5;231;48;5;16m"
	reset = "\x1b[0m"
)

// halves is a character whose upper and lower half are light or not.
func halves(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
