package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"
)

// leastCompressed is the size in bytes below which compression does not pay.
const leastCompressed = 256

// onTheFly are the codings that we make ourselves: brotli is too slow for that.
const onTheFly = codingSet(1<<zstdCoding | 1<<gzipCoding)

// compresses returns the coding in which a file is sent that has none, or identity. A range is a part of the file as it is.
func (h *Handler) compresses(res *resource, r *http.Request) coding {
	if !h.mayCompress(res) {
		return identity
	}
	res.vary = true
	if wantsPart(r) {
		return identity
	}
	return onTheFly.best(acceptEncoding(r))
}

func wantsPart(r *http.Request) bool { return r.Method == http.MethodGet && r.Header["Range"] != nil }

func (h *Handler) mayCompress(res *resource) bool {
	return h.config.Options.Compress && res.coding == identity && res.info.Size() >= leastCompressed && compressible(res.contentType)
}

// compress answers with the file in the resource's coding. It has no length, and no parts: If-Range has nothing to choose.
func (h *Handler) compress(w http.ResponseWriter, r *http.Request, res *resource, modified time.Time) {
	c := &compressor{ResponseWriter: w, coding: res.coding, left: res.info.Size(), head: r.Method == http.MethodHead}
	http.ServeContent(c, standardized(r, res.info.Size()), "", modified, h.disk(r.Context(), res.file))
	c.end()
}

// compressor encodes the body of a 200.
type compressor struct {
	http.ResponseWriter
	coding  coding
	left    int64 // bytes that are still to come
	head    bool
	encoder io.WriteCloser // nil for other answers, which have no body or one of their own
}

// Unwrap lets http.ResponseController find what is below.
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (c *compressor) WriteHeader(status int) {
	if status == http.StatusOK {
		c.Header().Del("Content-Length")
		c.Header().Del("Accept-Ranges")
		if !c.head {
			c.encoder = newEncoder(c.ResponseWriter, c.coding)
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *compressor) Write(p []byte) (int, error) {
	if c.encoder == nil {
		return c.ResponseWriter.Write(p)
	}
	n, err := c.encoder.Write(p)
	c.left -= int64(n)
	return n, err
}

// end writes what the encoder still holds. If the file broke off or the client has gone, so must the answer: an end would make
// it look whole.
func (c *compressor) end() {
	if c.encoder == nil {
		return
	}
	if c.left != 0 || c.encoder.Close() != nil {
		panic(http.ErrAbortHandler)
	}
}

func newEncoder(w io.Writer, c coding) io.WriteCloser {
	if c == gzipCoding {
		return gzip.NewWriter(w)
	}
	// One goroutine, that of the request, and a window that a browser takes (RFC 9659).
	e, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // of the options, which are constants
	}
	return e
}

// encoded returns the whole in a coding, nil if that is no shorter.
func encoded(body []byte, c coding) []byte {
	var b bytes.Buffer
	e := newEncoder(&b, c)
	_, err := e.Write(body)
	if err == nil {
		err = e.Close()
	}
	if err != nil || b.Len() >= len(body) {
		return nil
	}
	return bytes.Clone(b.Bytes())
}
