package ftp

import (
	"os"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

var _ ftpserver.ClientDriverExtensionAvailableSpace = (*files)(nil)

// GetAvailableSpace implements ftpserver.ClientDriverExtensionAvailableSpace: AVBL tells how many bytes can still be stored
// (draft-peterson-streamlined-ftp-command-extensions section 4).
func (f *files) GetAvailableSpace(name string) (free int64, err error) {
	err = f.do(name, true, func(rel string) error {
		dir, err := f.user.root.OpenFile(rel, os.O_RDONLY|nonblock, 0)
		if err != nil {
			return err
		}
		defer dir.Close()
		if free, err = freeSpace(dir); err != nil {
			return err
		}
		room, err := f.quotaRoom()
		if room >= 0 {
			free = min(free, room)
		}
		return err
	})
	return free, err
}

// room is what the quota has room for, in bytes, -1 for no limit.
func (f *files) room() (n int64, err error) {
	err = f.do("", true, func(string) (err error) {
		n, err = f.quotaRoom()
		return err
	})
	return n, err
}

// quotaRoom is room for those who have a slot of the pool.
func (f *files) quotaRoom() (int64, error) {
	if f.user.storage == nil {
		return -1, nil
	}
	return f.user.storage.Room(f.session.ctx)
}
