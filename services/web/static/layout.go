package static

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strings"
)

var (
	//go:embed listing.html
	listingHTML string
	//go:embed listing.css
	listingCSS string
	//go:embed listing.js
	listingJS string
)

// layout is listing.html with its style and script in it, cut where one listing differs from another.
type layout struct {
	pieces []piece
	// policy is the Content-Security-Policy: nothing is loaded or run that is not in the page; uploads is the one of a page
	// that can send files, and that others must therefore not show in a frame.
	policy, uploads string
}

// piece is what comes before a slot, and the slot's name, "" at the end.
type piece struct{ text, slot string }

func newLayout() layout {
	// An editor or a checkout may have changed the ends of lines; browsers change them back before they take the hash.
	unix := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	style, script := unix(listingCSS), unix(listingJS)
	policy := "default-src 'none'; img-src data:; style-src " + hashSource(style) + "; script-src " + hashSource(script) + "; base-uri 'none'"
	y := layout{
		policy:  policy + "; form-action 'none'",
		uploads: policy + "; form-action 'self'; connect-src 'self'; frame-ancestors 'self'",
	}
	rest := strings.NewReplacer("{{style}}", style, "{{script}}", script).Replace(unix(listingHTML) + "\n")
	for rest != "" {
		var p piece
		p.text, rest, _ = strings.Cut(rest, "{{")
		p.slot, rest, _ = strings.Cut(rest, "}}")
		y.pieces = append(y.pieces, p)
	}
	return y
}

// hashSource names an inline style or script in a policy (CSP level 3, section 2.3.1).
func hashSource(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
