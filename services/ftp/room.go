package ftp

import (
	"os"

	ftpserver "github.com/fclairamb/ftpserverlib"
)

var _ ftpserver.ClientDriverExtensionAvailableSpace = (*files)(nil)

// GetAvailableSpace implements ftpserver.ClientDriverExtensionAvailableSpace: AVBL tells how many bytes can still be stored
// (draft-peterson-streamlined-ftp-command-extensions section 4).
func (f *files) GetAvailableSpace(name string) (free int64, err error) {
	room, err := f.room()
	if err != nil {
		return 0, err
	}
	err = f.do(name, true, func(rel string) error {
		dir, err := f.user.root.OpenFile(rel, os.O_RDONLY|nonblock, 0)
		if err != nil {
			return err
		}
		defer dir.Close()
		if free, err = freeSpace(dir); room >= 0 {
			free = min(free, room)
		}
		return err
	})
	return free, err
}

// room is what the quota has room for, in bytes, -1 for no limit. It takes slots of the pool, to count.
func (f *files) room() (int64, error) {
	n, err := f.user.account.Room(f.session.ctx)
	return n, f.told("", err)
}
