package ftp

import (
	"crypto/md5"  //nolint:gosec // XMD5 asks for it
	"crypto/sha1" //nolint:gosec // XSHA1 asks for it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

// maxCounted is how large a file may be whose lines are counted for SIZE, in bytes.
const maxCounted = 100 << 20

var errUncounted = &refusal{550, "too large to count its lines: send TYPE I first"}

// ComputeHash implements ftpserver.ClientDriverExtensionHasher.
func (f *files) ComputeHash(name string, algo ftpserver.HASHAlgo, start, end int64) (string, error) {
	h := newHash(algo)
	err := f.scan(name, func(file *os.File, _ fs.FileInfo) (io.Reader, error) {
		if start < 0 || end < start {
			return nil, errBeyond
		}
		return io.NewSectionReader(file, start, end-start), nil
	}, func(piece []byte) { _, _ = h.Write(piece) }) // never fails
	return hex.EncodeToString(h.Sum(nil)), err
}

// scan opens a file that the user may download and calls each with one piece after the other of what part chooses of it. Each
// takes a slot of the pool.
func (f *files) scan(name string, part func(*os.File, fs.FileInfo) (io.Reader, error), each func(piece []byte)) error {
	var file *os.File
	var r io.Reader
	may := f.user.account.MayDownload(name)
	err := f.do(name, may, func(rel string) error {
		opened, info, err := f.open(rel)
		if err != nil {
			return err
		}
		if r, err = part(opened, info); err != nil {
			_ = opened.Close()
			return err
		}
		file = opened
		return nil
	})
	if err != nil {
		return err
	}
	defer file.Close()
	buf := f.session.srv.buffers.get()
	defer f.session.srv.buffers.put(buf)
	for more := true; more && err == nil; {
		err = f.do(name, may, func(string) error {
			n, err := r.Read(*buf)
			each((*buf)[:n])
			if more = err == nil; err == io.EOF {
				return nil
			}
			return err
		})
	}
	return err
}

func newHash(algo ftpserver.HASHAlgo) hash.Hash {
	switch algo {
	case ftpserver.HASHAlgoCRC32:
		return crc32.NewIEEE()
	case ftpserver.HASHAlgoMD5:
		return md5.New() //nolint:gosec // see above
	case ftpserver.HASHAlgoSHA1:
		return sha1.New() //nolint:gosec // see above
	case ftpserver.HASHAlgoSHA512:
		return sha512.New()
	}
	return sha256.New()
}

// doHASH takes a name (draft-bryan-ftpext-hash section 3), which the library would read as the first of a line of words.
func (c *session) doHASH(verb, param string) string {
	if word := quoted(param); len(word) <= maxLine {
		return needsParam(c, verb, word)
	}
	return c.answer(tooLong)
}

const tooLong = "501 The name is too long."

// doSum is HASH in the words of others, with an offset, or two, behind the name. Where the name may end in a number, too, it is
// the longest of which there is a file.
func (c *session) doSum(verb, param string) string {
	names := namesBefore(param)
	switch {
	case len(names) < 2:
		return c.doHASH(verb, param)
	case len(quoted(param)) > maxLine:
		return c.answer(tooLong)
	}
	return c.inTurn(func() string {
		name := c.files().firstFile(names)
		return verb + " " + quoted(name) + param[len(name):]
	})
}

// quoted makes a name one word, as in CSV with spaces for commas. What begins with a quote is taken for quoted.
func quoted(name string) string {
	if strings.HasPrefix(name, `"`) || !strings.ContainsAny(name, " \"\r") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// namesBefore are what may be the name where up to two numbers may be behind it, the longest first.
func namesBefore(param string) []string {
	names := []string{param}
	for strings.TrimLeft(param, `"`) == param && len(names) < 3 {
		i := strings.LastIndexByte(param, ' ')
		if i <= 0 {
			break
		}
		if _, err := strconv.ParseInt(param[i+1:], 10, 64); err != nil {
			break
		}
		param = param[:i]
		names = append(names, param)
	}
	return names
}

// firstFile returns the first name that is one of a file, or else the last.
func (f *files) firstFile(names []string) string {
	last := len(names) - 1
	for _, name := range names[:last] {
		if info, err := f.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	f.session.mu.Lock()
	f.session.failure = nil // the library asks again, of the one that is taken
	f.session.mu.Unlock()
	return names[last]
}

// doSIZE answers for TYPE A itself, with how long the file is when it is sent (RFC 3659 section 4).
func (c *session) doSIZE(verb, param string) string {
	if param == "" || !c.isASCII() {
		return needsParam(c, verb, param)
	}
	return c.answerInTurn(func() string {
		f := c.files()
		size, err := f.sizeASCII(f.absolute(param))
		return c.result("213 "+strconv.FormatInt(size, 10), err)
	})
}

// sizeASCII counts what is sent of a file whose lines end with CRLF, whatever they end with on the disk.
func (f *files) sizeASCII(name string) (size int64, err error) {
	last := byte(0)
	err = f.scan(name, func(file *os.File, info fs.FileInfo) (io.Reader, error) {
		if info.Size() > maxCounted {
			return nil, errUncounted
		}
		return io.LimitReader(file, maxCounted), nil
	}, func(piece []byte) {
		for _, b := range piece {
			if b == '\n' && last != '\r' {
				size++
			}
			last = b
		}
		size += int64(len(piece))
	})
	return size, err
}
