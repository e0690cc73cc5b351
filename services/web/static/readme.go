package static

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxReadme is how much of a README is shown, in bytes.
const maxReadme = 64 << 10

// readmeNames are, in lower case, the names of what a listing shows below its entries. The first that exists wins.
var readmeNames = []string{"readme.md", "readme.txt", "readme"}

// readme is the text of a listing's README. The zero value is none.
type readme struct {
	name string
	text string
	cut  bool // there is more in the file
}

// findReadme returns the name of the README, "" for none.
func (l *listing) findReadme() string {
	found, rank := "", len(readmeNames)
	for _, e := range l.entries {
		if e.isDir() || len(e.name) > len("readme.txt") || lower(e.name[0]) != 'r' {
			continue
		}
		if i := slices.Index(readmeNames, strings.ToLower(e.name)); i >= 0 && i < rank {
			found, rank = e.name, i
		}
	}
	return found
}

// readReadme adds the README. One that cannot be read does not keep the listing from being sent: that is logged unless it
// is a matter of permissions, or of a file that has just gone.
func (h *Handler) readReadme(ctx context.Context, l *listing) error {
	name := l.findReadme()
	if name == "" {
		return nil
	}
	var fileErr error
	err := h.config.Pool.Do(ctx, func() error {
		l.readme, fileErr = l.tree.readReadme(path.Join(l.name, name))
		return nil
	})
	switch {
	case err != nil:
		return err
	case errors.Is(fileErr, fs.ErrClosed):
		return fileErr
	case fileErr != nil && !isAny(fileErr, fs.ErrPermission, fs.ErrNotExist):
		h.config.Log.ErrorContext(ctx, "cannot read a file", "path", path.Join(l.name, name), "error", fileErr)
	}
	return nil
}

// readReadme makes blocking calls, for the pool. What is no text is no README.
func (t *tree) readReadme(file string) (readme, error) {
	f, _, err := t.open(file)
	if err != nil {
		return readme{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReadme+1))
	if err != nil {
		return readme{}, err
	}
	r := readme{name: path.Base(file), text: string(data[:min(len(data), maxReadme)]), cut: len(data) > maxReadme}
	r.text = strings.TrimPrefix(r.text, "\ufeff")
	if strings.Contains(r.text, "\x00") || strings.TrimSpace(r.text) == "" {
		return readme{}, nil
	}
	return r, nil
}

// visibleText is visible for lines of text: tabs and ends of lines stay, and so does the direction of the text.
func visibleText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return -1
		}
		return visibleControl(r)
	}, s)
}
