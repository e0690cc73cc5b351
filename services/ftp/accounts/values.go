package accounts

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/gtwistd/gtwistd/internal/peer"
	"github.com/gtwistd/gtwistd/internal/suggest"
	"github.com/gtwistd/gtwistd/plugins"
)

// networks are those of allow-from.
type networks []netip.Prefix

// key is one that a table may have.
type key struct {
	name string
	read func(s *settings, value any) error
}

// keys are in the order of the documentation.
var keys = []key{
	{"root", func(s *settings, v any) error { return set(&s.root, v, readRoot) }},
	{"enabled", func(s *settings, v any) error { return set(&s.enabled, v, readBool) }},
	{"permissions", func(s *settings, v any) error { return set(&s.permissions, v, readPermissions) }},
	{"quota", func(s *settings, v any) error { return set(&s.quota, v, readSize) }},
	{"max-files", func(s *settings, v any) error { return set(&s.maxFiles, v, readCount) }},
	{"max-file-size", func(s *settings, v any) error { return set(&s.maxFileSize, v, readSize) }},
	{"upload-bandwidth", func(s *settings, v any) error { return set(&s.uploadBandwidth, v, readSize) }},
	{"download-bandwidth", func(s *settings, v any) error { return set(&s.downloadBandwidth, v, readSize) }},
	{"max-sessions", func(s *settings, v any) error { return set(&s.maxSessions, v, readCount) }},
	{"allow-from", func(s *settings, v any) error { return set(&s.allowFrom, v, readNetworks) }},
}

func lookup(name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

func set[T any](to **T, value any, read func(any) (T, error)) error {
	parsed, err := read(value)
	if err == nil {
		*to = &parsed
	}
	return err
}

func readRoot(value any) (string, error) {
	text, ok := value.(string)
	if !ok || text == "" || strings.Contains(text, "\x00") {
		return "", errors.New(`not a directory such as "/srv/ftp/alice"`)
	}
	if mark := otherMark(text); mark != "" {
		return "", &hinted{fmt.Sprintf("unknown %s, there is %s", mark, userMark), userMark + " stands for the name of the user"}
	}
	return text, nil
}

// otherMark returns the first % with a letter that is no userMark; "100%" may be a directory's name.
func otherMark(root string) string {
	for i := 0; i+1 < len(root); i++ {
		if letter := root[i+1] | 0x20; root[i] == '%' && letter >= 'a' && letter <= 'z' && root[i:i+2] != userMark {
			return root[i : i+2]
		}
	}
	return ""
}

func readBool(value any) (bool, error) {
	yes, ok := value.(bool)
	if text, isText := value.(string); isText && (text == "true" || text == "false") {
		return false, &hinted{"neither true nor false", "leave the quotation marks out"}
	}
	if !ok {
		return false, errors.New("neither true nor false")
	}
	return yes, nil
}

func readSize(value any) (int64, error) {
	switch value := value.(type) {
	case int64:
		if value >= 0 {
			return value, nil
		}
	case string:
		var size plugins.Size
		if err := size.Set(value); err != nil {
			return 0, fmt.Errorf("%q: %w", value, err)
		}
		return int64(size), nil
	}
	return 0, fmt.Errorf(`%s: not a size such as "100MiB" or "1G"`, show(value))
}

func readCount(value any) (int64, error) {
	n, ok := value.(int64)
	if !ok || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("%s: not a number from 0 to %d", show(value), math.MaxInt32)
	}
	return n, nil
}

// show prints what is no text and so no password.
func show(value any) string {
	switch value := value.(type) {
	case int64, float64, bool:
		return fmt.Sprint(value)
	case string:
		return fmt.Sprintf("%q", value)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}

// atIndex is an error in one element of a list.
type atIndex struct {
	index int
	error
}

func (a *atIndex) Unwrap() error { return a.error }

// index is the rest of the path to what is wrong.
func index(err error) []string {
	var at *atIndex
	if errors.As(err, &at) {
		return []string{strconv.Itoa(at.index)}
	}
	return nil
}

func readPermissions(value any) (Permissions, error) {
	switch value := value.(type) {
	case string:
		for _, l := range levels {
			if l.word == value {
				return l.right, nil
			}
		}
		if right, ok := wordOf(value); ok {
			return right, &hinted{fmt.Sprintf("%q: not a level such as \"none\", \"read-only\" or \"all\"", value), fmt.Sprintf("did you mean [%q]?", value)}
		}
		if near := nearLevel(value); near != "" {
			return None, &hinted{fmt.Sprintf("%q: not a level such as \"none\", \"read-only\" or \"all\"", value), fmt.Sprintf("did you mean %q?", near)}
		}
		return None, fmt.Errorf(`%q: neither "none", "read-only" or "all" nor a list such as ["read", "create"]`, value)
	case []any:
		return readWords(value)
	}
	return None, fmt.Errorf(`%s: not a list such as ["read", "create"], nor "none", "read-only" or "all"`, show(value))
}

// nearLevel is the level that a text may be meant for, "" if there is none.
func nearLevel(text string) string {
	var names []string
	for _, l := range levels {
		names = append(names, l.word)
	}
	return suggest.Nearest(strings.ToLower(text), names)
}

func readWords(list []any) (Permissions, error) {
	may := None
	for i, element := range list {
		text, _ := element.(string)
		right, ok := wordOf(text)
		if !ok {
			return None, &atIndex{i, &hinted{show(element) + ": not a permission", rightWord(text)}}
		}
		may |= right
	}
	return may, nil
}

// rightWord is the hint for a word that is no permission.
func rightWord(text string) string {
	for _, l := range levels {
		if l.word == text {
			return fmt.Sprintf("%q stands alone, without brackets", text)
		}
	}
	return "the permissions are " + strings.Join(allWords(), ", ")
}

func wordOf(text string) (Permissions, bool) {
	for _, w := range words {
		if w.word == text {
			return w.right, true
		}
	}
	return None, false
}

func allWords() []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.word
	}
	return list
}

func readNetworks(value any) (networks, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf(`%s: not a list such as ["10.0.0.0/8", "2001:db8::1"]`, show(value))
	}
	parsed := networks{} // an empty list is nobody
	for i, element := range list {
		text, _ := element.(string)
		network, err := peer.ParseNetwork(text)
		if err != nil {
			return nil, &atIndex{i, fmt.Errorf("%s: %w", show(element), err)}
		}
		parsed = append(parsed, network)
	}
	return parsed, nil
}
