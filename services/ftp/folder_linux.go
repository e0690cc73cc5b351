package ftp

import (
	"encoding/binary"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// folder is an open directory. Package os would make an object, and a time of two words, of each entry. It is not safe for
// concurrent use; all methods make blocking calls.
type folder struct {
	file *os.File
	fd   int
	buf  []byte
	info unix.Stat_t
	more unix.Statx_t
	old  bool // statx(2) is not there or refused
}

// openFolder opens nothing but directories; the caller closes it.
func openFolder(root *os.Root, rel string) (*folder, error) {
	file, err := root.OpenFile(rel, unix.O_DIRECTORY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	return &folder{file: file, fd: int(file.Fd())}, nil
}

func (f *folder) close() { _ = f.file.Close() } // it was only read from

// stamp tells whether the directory has changed.
func (f *folder) stamp() stamp {
	if err := unix.Fstat(f.fd, &f.info); err != nil {
		return stamp{}
	}
	return stamp{uint64(f.info.Dev), f.info.Ino, unix.TimespecToNsec(f.info.Mtim), unix.TimespecToNsec(f.info.Ctim)}
}

// next adds items to a list, none at the end of the directory, and returns how many bytes they keep.
func (f *folder) next(list []item) ([]item, int, error) {
	if f.buf == nil {
		f.buf = make([]byte, folderBuffer/8) // most directories are small
	}
	n, err := unix.ReadDirent(f.fd, f.buf)
	for err == unix.EINTR {
		n, err = unix.ReadDirent(f.fd, f.buf)
	}
	if err != nil {
		return list, 0, os.NewSyscallError("getdents64", err)
	}
	list = appendDirents(list, string(f.buf[:n]))
	switch {
	case n == 0:
		f.buf = nil
	case n > len(f.buf)/2:
		f.buf = make([]byte, folderBuffer)
	}
	return list, n, nil
}

// appendDirents adds the entries of a buffer of getdents64(2), whose memory they share: a zero byte follows each name.
func appendDirents(list []item, b string) []item {
	const head = 8 + 8 + 2 + 1 // d_ino, d_off, d_reclen, d_type
	for len(b) > head {
		size := int(binary.NativeEndian.Uint16([]byte(b[16:18])))
		if size <= head || size > len(b) {
			break // of no kernel
		}
		end := strings.IndexByte(b[head:size], 0)
		if name := b[head : head+max(0, end)]; name != "" && name != "." && name != ".." {
			list = append(list, item{name: name, kind: direntKind(b[18])})
		}
		b = b[size:]
	}
	return list
}

func direntKind(b byte) kind {
	switch b {
	case unix.DT_REG:
		return kindFile
	case unix.DT_DIR:
		return kindDir
	case unix.DT_LNK:
		return kindLink
	case unix.DT_UNKNOWN:
		return kindUnknown
	}
	return kindOther
}

// lstat describes an entry of next, a link itself.
func (f *folder) lstat(name string) (facts, error) {
	if !f.old {
		err := f.statx(name)
		if err == nil {
			return factsOfMode(uint32(f.more.Mode), int64(f.more.Size), f.more.Mtime.Sec), nil
		}
		if f.old = err == unix.ENOSYS || err == unix.EPERM; !f.old { // EPERM is that of a filter, see seccomp(2)
			return facts{}, err
		}
	}
	st := &f.info
	err := unix.Fstatat(f.fd, name, st, unix.AT_SYMLINK_NOFOLLOW)
	for err == unix.EINTR {
		err = unix.Fstatat(f.fd, name, st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return facts{}, err
	}
	return factsOfMode(st.Mode, st.Size, int64(st.Mtim.Sec)), nil
}

// statx fills more. The name must be one of next, behind which there is a zero byte: package unix would copy it to put one there,
// which takes an eighth of a listing. Unlike lstat(2) it has to be told that to look at an automount point mounts nothing.
func (f *folder) statx(name string) error {
	const what = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_SIZE | unix.STATX_MTIME
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(f.fd), uintptr(unsafe.Pointer(unsafe.StringData(name))),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, what, uintptr(unsafe.Pointer(&f.more)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func factsOfMode(mode uint32, size, modified int64) facts {
	found := facts{kindOther, uint16(mode & 0o777), size, modified}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		found.kind = kindFile
	case unix.S_IFDIR:
		found.kind = kindDir
	case unix.S_IFLNK:
		found.kind = kindLink
	}
	return found
}
