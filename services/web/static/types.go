package static

import (
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	sniffLength = 512 // as in http.DetectContentType
	binary      = "application/octet-stream"
	utf8Text    = "text/plain; charset=utf-8"
)

// contentType returns the media type of a file by its name, the same on every machine. A name without a known extension
// is plain text or binary data by its first bytes: never HTML, which would run scripts.
func (o *Options) contentType(name string, file io.ReaderAt) (string, error) {
	if t, ok := o.MIMETypes.of(name); ok {
		return t, nil
	}
	var buf [sniffLength]byte
	n, err := file.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return guess(buf[:n]), nil
}

func guess(start []byte) string {
	t := http.DetectContentType(start)
	switch {
	case !strings.HasPrefix(t, "text/"):
		return binary
	case strings.Contains(t, "charset=utf-16"):
		return t
	case validStart(start):
		return utf8Text
	}
	return "text/plain"
}

// validStart says whether b is UTF-8, but for a character cut in two at its end.
func validStart(b []byte) bool {
	for i := range utf8.UTFMax {
		if len(b) >= i && utf8.Valid(b[:len(b)-i]) {
			return i == 0 || len(b) == sniffLength
		}
	}
	return false
}

// mediaTypes has the types of the IANA registry, and for source code plain text, which browsers show.
var mediaTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".csv":         "text/csv; charset=utf-8",
	".htm":         "text/html; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ics":         "text/calendar; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".markdown":    "text/markdown; charset=utf-8",
	".md":          "text/markdown; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".tsv":         "text/tab-separated-values; charset=utf-8",
	".vcf":         "text/vcard; charset=utf-8",
	".vtt":         "text/vtt; charset=utf-8",
	".c":           utf8Text,
	".cfg":         utf8Text,
	".conf":        utf8Text,
	".cpp":         utf8Text,
	".diff":        utf8Text,
	".go":          utf8Text,
	".h":           utf8Text,
	".ini":         utf8Text,
	".java":        utf8Text,
	".log":         utf8Text,
	".patch":       utf8Text,
	".php":         utf8Text,
	".pl":          utf8Text,
	".py":          utf8Text,
	".rb":          utf8Text,
	".rs":          utf8Text,
	".rst":         utf8Text,
	".sh":          utf8Text,
	".text":        utf8Text,
	".txt":         utf8Text,
	".atom":        "application/atom+xml",
	".geojson":     "application/geo+json",
	".json":        "application/json",
	".jsonld":      "application/ld+json",
	".map":         "application/json",
	".rss":         "application/rss+xml",
	".toml":        "application/toml",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
	".xhtml":       "application/xhtml+xml",
	".xml":         "application/xml", // says its encoding itself
	".xsl":         "application/xslt+xml",
	".yaml":        "application/yaml",
	".yml":         "application/yaml",
	".apng":        "image/apng",
	".avif":        "image/avif",
	".bmp":         "image/bmp",
	".gif":         "image/gif",
	".heic":        "image/heic",
	".ico":         "image/vnd.microsoft.icon",
	".jpeg":        "image/jpeg",
	".jpg":         "image/jpeg",
	".jxl":         "image/jxl",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".tif":         "image/tiff",
	".tiff":        "image/tiff",
	".webp":        "image/webp",
	".aac":         "audio/aac",
	".flac":        "audio/flac",
	".m4a":         "audio/mp4",
	".mid":         "audio/midi",
	".mp3":         "audio/mpeg",
	".oga":         "audio/ogg",
	".ogg":         "audio/ogg",
	".opus":        "audio/ogg",
	".wav":         "audio/wav",
	".weba":        "audio/webm",
	".avi":         "video/x-msvideo",
	".m3u8":        "application/vnd.apple.mpegurl",
	".m4v":         "video/mp4",
	".mkv":         "video/matroska",
	".mov":         "video/quicktime",
	".mp4":         "video/mp4",
	".mpd":         "application/dash+xml",
	".mpeg":        "video/mpeg",
	".mpg":         "video/mpeg",
	".ogv":         "video/ogg",
	".ts":          "video/mp2t",
	".webm":        "video/webm",
	".otf":         "font/otf",
	".ttf":         "font/ttf",
	".woff":        "font/woff",
	".woff2":       "font/woff2",
	".7z":          "application/x-7z-compressed",
	".br":          binary,
	".bz2":         "application/x-bzip2",
	".deb":         "application/vnd.debian.binary-package",
	".gz":          "application/gzip",
	".iso":         "application/x-iso9660-image",
	".jar":         "application/java-archive",
	".rar":         "application/vnd.rar",
	".rpm":         "application/x-rpm",
	".tar":         "application/x-tar",
	".tgz":         "application/gzip",
	".xz":          "application/x-xz",
	".zip":         "application/zip",
	".zst":         "application/zstd",
	".doc":         "application/msword",
	".docx":        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".eot":         "application/vnd.ms-fontobject",
	".epub":        "application/epub+zip",
	".odp":         "application/vnd.oasis.opendocument.presentation",
	".ods":         "application/vnd.oasis.opendocument.spreadsheet",
	".odt":         "application/vnd.oasis.opendocument.text",
	".pdf":         "application/pdf",
	".ppt":         "application/vnd.ms-powerpoint",
	".pptx":        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".ps":          "application/postscript",
	".rtf":         "application/rtf",
	".xls":         "application/vnd.ms-excel",
	".xlsx":        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
