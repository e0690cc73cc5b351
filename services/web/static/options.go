package static

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// Options are what a person can say about a tree of files. The zero value lists every directory; Flags sets the defaults.
type Options struct {
	// Index names the files that stand for their directory, the first that exists wins. Empty, or a single empty name,
	// means that there is none.
	Index []string
	// Listing says which directories are listed.
	Listing Listing
	// Hidden shows names that begin with a dot.
	Hidden bool
	// SPA is a file, as a path below the root, that is sent with 200 for pages that do not exist. Empty means none.
	SPA string
	// NotFound is a file, as a path below the root, that is sent with 404. Empty means a line of text.
	NotFound string
	// CleanURLs serves page.html as page, and sends those who ask for page.html there.
	CleanURLs bool
	// MIMETypes are media types that differ from the built-in ones.
	MIMETypes MIMETypes
	// CacheControl are the values of that header by name.
	CacheControl CacheRules
	// Precompressed sends page.html.zst, .br or .gz instead of page.html to who can read it.
	Precompressed bool
	// Compress compresses what may become shorter.
	Compress bool
	// Memory is how many bytes of small files are kept in memory; 0 means none.
	Memory plugins.Size
	// Archive answers ?archive=tar.gz, tar or zip at a directory with all that is below it, whatever Listing says.
	Archive bool
	// Upload takes new files, by PUT and by a form.
	Upload bool
	// UploadOverwrite lets an upload take the place of a file that is there.
	UploadOverwrite bool
	// UploadMax is the largest upload in bytes; 0 means no limit.
	UploadMax plugins.Size
}

const defaultMemory = 64 << 20 // bytes

// Flags binds the options, with their defaults.
func (o *Options) Flags(fs *pflag.FlagSet) {
	plugins.Group(fs, "What to serve", o.siteFlags)
	plugins.Group(fs, "Files", o.fileFlags)
	plugins.Group(fs, "Uploads and archives", o.transferFlags)
}

func (o *Options) siteFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.Index, "index", "i", []string{"index.html", "index.htm"},
		"`NAME` of the file that stands for its directory; repeatable, the first that exists counts; an empty one for none")
	o.Listing = ListAuto
	fs.Var(plugins.Choice(&o.Listing, ListAuto, ListOn, ListOff), "listing", "list directories: auto those without an index file, on all of them, off none (404)")
	fs.StringVar(&o.SPA, "spa", "", "send `FILE`, such as index.html, with status 200 where there is no such page: for single-page applications")
	fs.StringVar(&o.NotFound, "not-found", "", "send `FILE`, such as 404.html, with status 404 where there is nothing")
	fs.BoolVar(&o.CleanURLs, "clean-urls", false, "serve page.html as /page, and redirect /page.html there")
	fs.BoolVar(&o.Hidden, "hidden", false, "serve names that begin with a dot too, not only .well-known")
}

func (o *Options) fileFlags(fs *pflag.FlagSet) {
	fs.VarP(&o.MIMETypes, "mime-type", "m", "media type of files, such as .md=text/plain; without .EXT, of files with an unknown ending; repeatable")
	fs.Var(&o.CacheControl, "cache-control",
		"Cache-Control header of files by name, such as '*.css=max-age=3600', or by path, such as 'assets/**=no-cache'; repeatable, the first that matches counts")
	fs.BoolVar(&o.Precompressed, "precompressed", false, "send FILE.zst, FILE.br or FILE.gz instead of FILE, if it lies there and is not older")
	fs.BoolVar(&o.Compress, "compress", false, "compress text and the like on the fly, with zstd or gzip")
	o.Memory = defaultMemory
	fs.Var(&o.Memory, "memory", "keep up to this much of small files in memory; 0 for none")
}

func (o *Options) transferFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Upload, "upload", false, "let clients add files, by PUT (curl -T FILE URL) or on the page of the listing")
	fs.BoolVar(&o.UploadOverwrite, "upload-overwrite", false, "let an upload replace a file that exists, instead of 409")
	o.UploadMax = defaultUploadMax
	fs.Var(&o.UploadMax, "upload-max", "answer 413 to larger uploads; 0 for no limit")
	fs.BoolVar(&o.Archive, "archive", false, "send a directory as one file: URL?archive=tar.gz, tar or zip; also where --listing shows none")
}

// check returns the options as they are used, or a *plugins.UsageError.
func (o Options) check() (Options, error) {
	if len(o.Index) == 1 && o.Index[0] == "" {
		o.Index = nil
	}
	for _, name := range o.Index {
		if !isName(name) {
			return o, plugins.Usagef("--index %q: not the name of a file in each directory", name)
		}
	}
	for _, page := range []struct {
		option string
		file   *string
	}{{"spa", &o.SPA}, {"not-found", &o.NotFound}} {
		if *page.file == "" {
			continue
		}
		name, slash, ok := localName("/"+strings.TrimPrefix(*page.file, "/"), true)
		if !ok || slash {
			return o, plugins.Usagef("--%s %q: not the path of a file below the directory that is served", page.option, *page.file)
		}
		*page.file = name
	}
	if o.UploadOverwrite && !o.Upload {
		return o, &plugins.UsageError{Reason: "--upload-overwrite: nothing is uploaded", Suggestion: "add --upload"}
	}
	return o, nil
}

// cleaned is the name of a page for --clean-urls; that of an index file is its directory's.
func (o *Options) cleaned(name string) string {
	dir, base := path.Split(name)
	if slices.Contains(o.Index, base) && o.Listing != ListOn {
		return cmp.Or(dir, "./")
	}
	return strings.TrimSuffix(name, pageSuffix)
}

// cacheControl is the value of that header for a file, "" if there is none.
func (o *Options) cacheControl(name string) string {
	for _, rule := range o.CacheControl {
		if rule.pattern.matches(name) {
			return rule.value
		}
	}
	return ""
}

// isName says whether a name is one of a file in a directory, and no path.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") && filepath.Base(name) == name
}

// Listing says which directories are listed. The zero value is ListAuto.
type Listing string

// The values of Listing.
const (
	ListAuto Listing = "auto" // those without an index file
	ListOn   Listing = "on"   // all of them
	ListOff  Listing = "off"  // none
)
