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
	"os"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

// ComputeHash implements ftpserver.ClientDriverExtensionHasher. Each piece takes a slot of the pool.
func (f *files) ComputeHash(name string, algo ftpserver.HASHAlgo, start, end int64) (string, error) {
	var file *os.File
	may := f.user.account.MayDownload(name)
	err := f.do(name, may, func(rel string) (err error) {
		file, _, err = f.open(rel)
		if err == nil && (start < 0 || end < start) {
			_ = file.Close()
			err = errBeyond
		}
		return err
	})
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := newHash(algo)
	buf := f.session.srv.buffers.get()
	defer f.session.srv.buffers.put(buf)
	section := io.NewSectionReader(file, start, end-start)
	for more := true; more; {
		err := f.do(name, may, func(string) error {
			n, err := section.Read(*buf)
			_, _ = h.Write((*buf)[:n]) // never fails
			if more = err == nil; err == io.EOF {
				return nil
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
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
