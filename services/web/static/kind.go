package static

import "strings"

// kinds are the classes of rows by extension, for their icons.
var kinds = kindTable(map[string]string{
	"text":    "txt md markdown rst log csv tsv pdf doc docx odt rtf tex epub xls xlsx ods ppt pptx odp org adoc",
	"code":    "go c h cc cpp hpp cs java kt swift rs py rb php pl lua sh bash zsh ps1 bat js mjs cjs ts jsx tsx vue css scss less html htm xml json yaml yml toml ini conf cfg sql proto diff patch wasm mod sum",
	"image":   "png jpg jpeg gif webp avif svg ico bmp tif tiff heic heif jxl psd raw xcf",
	"audio":   "mp3 ogg oga opus flac wav m4a aac wma mid midi",
	"video":   "mp4 m4v mkv webm mov avi mpg mpeg ogv wmv ts3",
	"archive": "zip tar gz tgz bz2 xz txz zst tzst 7z rar br lz lz4 jar war deb rpm apk iso img dmg cab cpio",
})

func kindTable(lists map[string]string) map[string]string {
	table := map[string]string{}
	for kind, list := range lists {
		for extension := range strings.FieldsSeq(list) {
			table[extension] = kind
		}
	}
	return table
}

// kind is the class of an entry's row, "" for a file like any other.
func (e *entry) kind() string {
	if e.isDir() {
		return "directory"
	}
	dot := strings.LastIndexByte(e.name, '.')
	if dot < 0 || len(e.name)-dot > len(".markdown") {
		return ""
	}
	var buf [len("markdown")]byte
	extension := append(buf[:0], e.name[dot+1:]...)
	for i, c := range extension {
		extension[i] = lower(c)
	}
	return kinds[string(extension)]
}
