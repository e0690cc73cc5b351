package accounts

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a TOML text: what it says, and where it says that, so that all mistakes can be told at once.
type document struct {
	root   map[string]any
	keys   map[string]place // by keyOf
	values map[string]place // the same of what stands behind "=", as far as it has a place of its own
}

// place counts lines and columns from 1.
type place struct{ line, column int }

// keyOf joins the parts of a key; in TOML none can have a NUL.
func keyOf(path []string) string { return strings.Join(path, "\x00") }

// parseDocument returns the first mistake against TOML itself, behind which nothing can be trusted.
func parseDocument(text []byte) (*document, *Problem) {
	d := &document{keys: map[string]place{}, values: map[string]place{}}
	if err := toml.Unmarshal(text, &d.root); err != nil {
		p := &Problem{Reason: strings.TrimPrefix(err.Error(), "toml: ")}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			p.Line, p.Column = at.Position()
			p.Reason, p.Suggestion = bareValue(text, p.Line, p.Reason)
		}
		return nil, p
	}
	d.find(text)
	return d, nil
}

// bareValue says more of a mistake in a line whose value is a word without quotation marks. It does not quote the value.
func bareValue(text []byte, line int, reason string) (better, hint string) {
	lines := strings.Split(string(text), "\n")
	if line < 1 || line > len(lines) {
		return reason, ""
	}
	_, value, found := strings.Cut(lines[line-1], "=")
	if err := toml.Unmarshal([]byte("x ="+value), &map[string]any{}); err == nil {
		return reason, "" // it is something else
	}
	word, _, _ := strings.Cut(value, "#")
	word = strings.Trim(word, " \t\r[]")
	switch {
	case !found || word == "" || strings.ContainsAny(word, `"'{`):
		return reason, ""
	case slices.Contains([]string{"yes", "no", "on", "off", "true", "false"}, strings.ToLower(word)):
		return "neither true nor false", "write true or false, in small letters and without quotation marks"
	}
	return reason, `put texts in quotation marks, as in root = "/srv/ftp"`
}

// find notes where the keys and values are.
func (d *document) find(text []byte) {
	var p unstable.Parser
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		switch node := p.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = d.key(&p, nil, node)
		case unstable.KeyValue:
			d.pair(&p, table, node)
		}
	}
}

// key notes the parts of a key, where each is mentioned first, and returns the whole path.
func (d *document) key(p *unstable.Parser, prefix []string, node *unstable.Node) []string {
	path := append([]string(nil), prefix...)
	for it := node.Key(); it.Next(); {
		path = append(path, string(it.Node().Data))
		note(d.keys, p, path, it.Node())
	}
	return path
}

func (d *document) pair(p *unstable.Parser, prefix []string, node *unstable.Node) {
	path := d.key(p, prefix, node)
	d.value(p, path, node.Value())
}

func (d *document) value(p *unstable.Parser, path []string, node *unstable.Node) {
	note(d.values, p, path, node)
	switch node.Kind {
	case unstable.InlineTable:
		for it := node.Children(); it.Next(); {
			d.pair(p, path, it.Node())
		}
	case unstable.Array:
		index := 0
		for it := node.Children(); it.Next(); index++ {
			d.value(p, append(path[:len(path):len(path)], strconv.Itoa(index)), it.Node())
		}
	}
}

func note(places map[string]place, p *unstable.Parser, path []string, node *unstable.Node) {
	key := keyOf(path)
	if _, known := places[key]; known || node.Raw.Length == 0 {
		return // an array has no place of its own
	}
	at := p.Shape(node.Raw).Start
	places[key] = place{at.Line, at.Column}
}

// ofKey is where a key is, and ofValue where its value is, if that is known.
func (d *document) ofKey(path []string) place { return d.keys[keyOf(path)] }

func (d *document) ofValue(path []string) place {
	for n := len(path); n > 0; n-- {
		if at, ok := d.values[keyOf(path[:n])]; ok {
			return at
		}
		if at, ok := d.keys[keyOf(path[:n])]; ok {
			return at
		}
	}
	return place{}
}
