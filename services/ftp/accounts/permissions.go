package accounts

import "strings"

// Permissions is a set of rights. The zero value, None, is no right at all.
type Permissions uint8

// The rights; the words of the users file are the same in lower case. To change the working directory needs none.
const (
	// List: see the names, sizes and times in a directory (LIST, NLST, MLSD, MLST, STAT).
	List Permissions = 1 << iota
	// Download: fetch files and their checksums (RETR, HASH).
	Download
	// Create: upload files that are not there yet (STOR, STOU, APPE).
	Create
	// Overwrite: replace, append to, resume and set the time of files that are there (STOR, APPE, REST, MFMT).
	Overwrite
	// Delete: remove files and empty directories (DELE, RMD).
	Delete
	// Rename: move files and directories, in and between directories that both have it (RNFR, RNTO).
	Rename
	// Mkdir: make directories (MKD).
	Mkdir

	None  Permissions = 0
	Read              = List | Download
	Write             = Create | Overwrite
	All               = Read | Write | Delete | Rename | Mkdir
)

// words are those of a list; of those for several rights String uses none.
var words = []struct {
	word  string
	right Permissions
}{
	{"list", List},
	{"download", Download},
	{"create", Create},
	{"overwrite", Overwrite},
	{"delete", Delete},
	{"rename", Rename},
	{"mkdir", Mkdir},
	{"read", Read},
	{"write", Write},
}

// levels are what may stand in place of a list.
var levels = []struct {
	word  string
	right Permissions
}{
	{"none", None},
	{"read-only", Read},
	{"all", All},
}

// Has reports whether all rights of want are in the set.
func (p Permissions) Has(want Permissions) bool { return p&want == want }

// String is "none", "read-only", "all", or the words with commas between.
func (p Permissions) String() string {
	for _, l := range levels {
		if p == l.right {
			return l.word
		}
	}
	var list []string
	for _, w := range words {
		if single := w.right&(w.right-1) == 0; single && p.Has(w.right) {
			list = append(list, w.word)
		}
	}
	return strings.Join(list, ",")
}
