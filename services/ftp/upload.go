package ftp

import (
	"io"
	"io/fs"
	"os"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

var (
	errTaken    = &refusal{553, "somebody else has uploaded a file of that name meanwhile"}
	errMoved    = &refusal{451, "the directory was moved or removed meanwhile"}
	errUnlinked = &refusal{451, "the file was deleted or replaced meanwhile"}
)

// upload is a file that comes in: a part, which becomes the file when all is there, or the file itself.
//
//	STOR            into a part, whose place in the directory the file takes at the end
//	REST n, STOR    goes on with the part if it has n bytes; else with a copy of the first n bytes of the file; with a part
//	                that has more; at the end of the file, in place, if it has n
//	APPE            at the end of the file, in place; if there is none, of the part that SIZE told this client of
//
// A part that is broken off stays, for a week. Whatever is written is locked: nobody else writes it.
type upload struct {
	files    *files
	transfer *transfer
	rel      string
	file     *os.File
	room     *accounts.Upload // counts for the quota
	part     string           // below the root; "" in place
	resume   bool             // the part can be found again
	made     bool             // what is written was not there before
	existed  bool             // there was a file of that name, so that another right is needed
	mode     fs.FileMode      // of that file
	source   *os.File         // it, as long as left bytes of it are to be copied; nil for none
	left     int64
	appends  bool // each write goes to the end of the file
	at       int64
	err      error
}

// may says whether the user may upload the file now; a reload can change that in the middle.
func (u *upload) may(exists bool) bool {
	return u.files.user.account.MayUpload(u.files.shown(u.rel), exists)
}

// ReadFrom implements io.ReaderFrom: the connection is read in large pieces.
func (u *upload) ReadFrom(r io.Reader) (n int64, err error) {
	defer u.files.session.caught(u.transfer, &err)
	if conn, ok := r.(*dataConn); ok {
		return conn.receive(u)
	}
	return io.Copy(struct{ io.Writer }{u}, r)
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (total int, err error) {
	defer u.files.session.caught(u.transfer, &err)
	return u.store(len(p), func(most int) (int, error) {
		n, err := u.file.Write(p[:most])
		p = p[n:]
		return n, err
	})
}

// store has write write n bytes, or what the quota has room for, as long as the user may.
func (u *upload) store(n int, write func(most int) (int, error)) (total int, err error) {
	if !u.may(u.existed) {
		return 0, errNoPermission
	}
	for total < n {
		room, err := u.room.Reserve(u.at, int64(n-total))
		if err != nil {
			return total, err
		}
		written, err := write(int(room))
		total += written
		u.at += int64(written)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Read implements io.Reader, which nobody does.
func (u *upload) Read([]byte) (int, error) { return 0, errNotHere }

// Seek implements io.Seeker: the file is where it has to be.
func (u *upload) Seek(int64, int) (int64, error) { return u.at, nil }

// TransferError implements ftpserver.FileTransferError.
func (u *upload) TransferError(err error) {
	u.err = err
	u.files.session.failed(u.transfer, err)
}

// Close implements io.Closer: all is there, unless TransferError was called or the session knows better.
func (u *upload) Close() (err error) {
	defer u.files.session.caught(u.transfer, &err)
	defer u.files.session.fileClosed(u.transfer)
	defer u.files.session.srv.shelf.forget()
	if u.err == nil {
		u.err = u.files.session.interrupted(u.transfer, u.existed)
	}
	err = u.files.surely(u.close)
	if u.err == nil && err != nil {
		return u.files.told("", err)
	}
	return nil
}
