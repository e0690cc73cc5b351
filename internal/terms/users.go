package terms

import (
	"context"
	"path/filepath"

	"github.com/gtwistd/gtwistd/internal/htpasswd"
	"github.com/gtwistd/gtwistd/internal/secrets"
	"github.com/gtwistd/gtwistd/plugins"
)

// Users is the Users function of an environment in which passwords are hashed by do. The file becomes one of the secrets.
func Users(list *secrets.List, path string, do htpasswd.Do) (plugins.Users, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := htpasswd.Open(path, do)
	if err != nil {
		return nil, err // not a Users that is a nil *File
	}
	list.Add(path)
	return &userFile{file, path, list}, nil
}

// userFile is a password file that nobody hands out.
type userFile struct {
	*htpasswd.File
	path    string
	secrets *secrets.List
}

// Reload also follows a link that leads elsewhere now.
func (u *userFile) Reload(ctx context.Context) error {
	if err := u.File.Reload(ctx); err != nil {
		return err
	}
	u.secrets.Add(u.path)
	return nil
}
