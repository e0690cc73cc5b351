package ftp

import (
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

// open opens a regular file and nothing else. It looks before it opens, as opening a device may do something, and again
// afterwards, as the name may have been given to something else meanwhile; the open itself never waits for a FIFO's writer.
func (f *files) open(rel string) (*os.File, fs.FileInfo, error) {
	info, err := f.stat(rel)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, syscall.EISDIR
	}
	file, err := f.user.root.OpenFile(rel, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errSpecial
	} else if err == nil && f.session.srv.isSecret(info) {
		err = notExist(rel) // it took the place of what stat saw
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// GetHandle implements ftpserver.ClientDriverExtentionFileTransfer. The library knows of no offset.
func (f *files) GetHandle(name string, flags int, _ int64) (handle ftpserver.FileTransfer, err error) {
	if !f.session.enter() {
		return nil, net.ErrClosed
	}
	defer f.session.release()
	t := f.session.current()
	defer f.session.caught(t, &err)
	if t == nil {
		return nil, f.told(name, errConnection) // it ended before it began, and nobody knows where
	}
	at := t.start
	if flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		var u *upload
		if u, err = f.openUpload(name, flags&os.O_APPEND != 0, t.start); err == nil {
			handle, at = u, u.at
		}
	} else {
		err = f.do(name, f.user.account.MayDownload(name), func(rel string) error {
			file, info, err := f.open(rel)
			if err != nil {
				return err
			}
			switch {
			case t.start > info.Size():
				err = errBeyond
			case t.start > 0:
				_, err = file.Seek(t.start, io.SeekStart)
			}
			if err != nil {
				_ = file.Close()
				return err
			}
			handle = &download{File: file, at: t.start, left: info.Size() - t.start, session: f.session, transfer: t}
			return nil
		})
	}
	if err != nil {
		return nil, err
	}
	f.session.fileOpened(t, at)
	return handle, nil
}

// download is a file that is sent.
type download struct {
	*os.File
	at, left int64 // where it begins, and how much there was from there
	session  *session
	transfer *transfer
}

// WriteTo implements io.WriterTo: the connection sends the file.
func (d *download) WriteTo(w io.Writer) (n int64, err error) {
	defer d.session.caught(d.transfer, &err)
	if conn, ok := w.(*dataConn); ok {
		return conn.send(d.File, d.at, d.left)
	}
	return io.Copy(w, d.File)
}

// TransferError implements ftpserver.FileTransferError.
func (d *download) TransferError(err error) { d.session.failed(d.transfer, err) }

// Close implements io.Closer.
func (d *download) Close() error {
	defer d.session.fileClosed(d.transfer)
	return d.File.Close()
}
