package static

import (
	"archive/tar"
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// archiveLevel is that of gzip and deflate: a fast network waits for every level.
const archiveLevel = flate.BestSpeed

// maxZipped is how many files and directories go into a zip, whose directory stays in memory until its end.
const maxZipped = 250_000

// packer writes one kind of archive. Close finishes the archive and leaves the writer below open.
type packer interface {
	addDir(name string, modified time.Time) error // the name ends with a slash
	// addFile returns where exactly size bytes go before the next call.
	addFile(name string, size int64, modified time.Time) (io.Writer, error)
	io.Closer
}

// archiveFormat is one way to answer with a directory.
type archiveFormat struct {
	contentType, suffix string
	new                 func(io.Writer) packer
}

const archiveNames = "tar, tar.gz, zip"

var archiveFormats = map[string]archiveFormat{
	"tar":    {"application/x-tar", ".tar", func(w io.Writer) packer { return newTar(w, nil) }},
	"tar.gz": {"application/gzip", ".tar.gz", newTarGzip},
	"zip":    {"application/zip", ".zip", newZip},
}

// tarPacker writes POSIX archives; names, sizes and times that do not fit into the old header go into PAX records.
type tarPacker struct {
	*tar.Writer
	gzip io.Closer // nil if there is none
}

func newTar(w io.Writer, gzip io.Closer) packer { return &tarPacker{tar.NewWriter(w), gzip} }

func newTarGzip(w io.Writer) packer {
	z, err := gzip.NewWriterLevel(w, archiveLevel)
	if err != nil {
		panic(err) // there is such a level
	}
	return newTar(z, z)
}

func (p *tarPacker) addDir(name string, modified time.Time) error {
	return p.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: modified})
}

func (p *tarPacker) addFile(name string, size int64, modified time.Time) (io.Writer, error) {
	return p.Writer, p.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: modified})
}

func (p *tarPacker) Close() error {
	if err := p.Writer.Close(); err != nil || p.gzip == nil {
		return err
	}
	return p.gzip.Close()
}

// zipPacker writes sizes and checksums behind each file, as they are not known before, and zip64 where it is needed. Names
// in UTF-8 are marked as such.
type zipPacker struct {
	*zip.Writer
	count int
}

func newZip(w io.Writer) packer {
	z := zip.NewWriter(w)
	deflate, err := flate.NewWriter(io.Discard, archiveLevel)
	if err != nil {
		panic(err) // there is such a level
	}
	// One file is written at a time, so all can have the same compressor.
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		deflate.Reset(w)
		return deflate, nil
	})
	return &zipPacker{Writer: z}
}

func (p *zipPacker) addDir(name string, modified time.Time) error {
	_, err := p.add(name, zip.Store, fs.ModeDir|0o755, modified)
	return err
}

func (p *zipPacker) addFile(name string, _ int64, modified time.Time) (io.Writer, error) {
	method := zip.Deflate
	if isCompressed(name) {
		method = zip.Store
	}
	return p.add(name, method, 0o644, modified)
}

func (p *zipPacker) add(name string, method uint16, mode fs.FileMode, modified time.Time) (io.Writer, error) {
	if p.count++; p.count > maxZipped {
		return nil, fmt.Errorf("more than %d files for a zip; tar.gz takes any number", maxZipped)
	}
	if oldest := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); modified.Before(oldest) {
		modified = oldest // the first that the format knows
	}
	// The format has no backslashes (APPNOTE 4.4.17.1): whoever unpacks it on Windows may take them for slashes, and "..\" for a
	// way out.
	name = strings.ReplaceAll(name, `\`, "_")
	h := &zip.FileHeader{Name: name, Method: method, Modified: modified.UTC()}
	h.SetMode(mode)
	return p.CreateHeader(h)
}

// isCompressed says by the name whether a file would not become smaller.
func isCompressed(name string) bool {
	return strings.Contains(compressed, strings.ToLower(path.Ext(name))+".") && path.Ext(name) != ""
}

// compressed are the usual extensions, each between two dots.
const compressed = ".7z.aac.apk.avif.br.bz2.docx.epub.flac.gif.gz.heic.jar.jpeg.jpg.m4a.m4v.mkv.mov.mp3.mp4.odt.ogg.opus.png.pptx.rar." +
	"tgz.webm.webp.woff.woff2.xlsx.xz.zip.zst."
