//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"math"
	"os/user"
	"slices"
	"strconv"
)

// LookupIdentity resolves a user and a group, each a name or a number; digits alone are a number. A user without a group
// means its primary group; the user's supplementary groups come along. A group without a user keeps the user that the
// process has, and gives up all other groups. Both empty: nil, for no change. Call it before a chroot, which hides the
// account files. An error names what does not exist.
func LookupIdentity(uid, gid string) (*Identity, error) {
	switch {
	case uid == "" && gid == "":
		return nil, nil
	case uid == "":
		g, err := lookupGroup(gid)
		if err != nil {
			return nil, err
		}
		return &Identity{UID: currentUID(), GID: g, Groups: []int{g}, Name: strconv.Itoa(currentUID())}, nil
	}
	account, err := lookupUser(uid)
	if err != nil && (gid == "" || account == nil) {
		return nil, err
	}
	id := &Identity{Name: account.Username}
	if id.UID, err = parseID(account.Uid); err != nil {
		return nil, fmt.Errorf("uid %q: %w", uid, err)
	}
	if err = id.setGroups(account, gid); err != nil {
		return nil, err
	}
	return id, nil
}

func (id *Identity) setGroups(account *user.User, gid string) error {
	var err error
	if gid == "" {
		gid = account.Gid
	}
	if id.GID, err = lookupGroup(gid); err != nil {
		return err
	}
	id.Groups = []int{id.GID}
	if account.Gid == "" {
		return nil
	}
	names, err := account.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %q: %w", account.Username, err)
	}
	for _, name := range names {
		// As initgroups(3): another group given takes the place of the primary one.
		if g, err := parseID(name); err == nil && name != account.Gid && !slices.Contains(id.Groups, g) {
			id.Groups = append(id.Groups, g)
		}
	}
	return nil
}

// lookupUser returns an account without a group, and an error, for a number that the system does not know.
func lookupUser(s string) (*user.User, error) {
	if !isNumber(s) {
		account, err := user.Lookup(s)
		if err != nil {
			return nil, accountError("uid", s, "user", err)
		}
		return account, nil
	}
	if _, err := parseID(s); err != nil {
		return nil, fmt.Errorf("uid %q: %w", s, err)
	}
	account, err := user.LookupId(s)
	if err != nil {
		return &user.User{Username: s, Uid: s}, failuref(err, "name its group too: --gid", "uid %q: no such user, so its group is unknown", s)
	}
	return account, nil
}

func lookupGroup(s string) (int, error) {
	if isNumber(s) {
		g, err := parseID(s)
		if err != nil {
			return 0, fmt.Errorf("gid %q: %w", s, err)
		}
		return g, nil
	}
	group, err := user.LookupGroup(s)
	if err != nil {
		return 0, accountError("gid", s, "group", err)
	}
	return parseID(group.Gid)
}

func accountError(option, value, kind string, err error) error {
	var unknownUser user.UnknownUserError
	var unknownGroup user.UnknownGroupError
	if errors.As(err, &unknownUser) || errors.As(err, &unknownGroup) {
		return failuref(err, "", "%s %q: no such %s", option, value, kind)
	}
	return fmt.Errorf("%s %q: %w", option, value, err)
}

// parseID refuses the number of all ones, which to the system calls means "leave as it is".
func parseID(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("not a number from 0 to %d", uint32(math.MaxUint32-1))
	}
	return int(n), nil
}
