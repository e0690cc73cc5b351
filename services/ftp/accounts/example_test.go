package accounts_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/gtwistd/gtwistd/services/ftp/accounts"
)

// A server asks the guard, then the password file, then the book; an upload reserves what it writes.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ftp-users.toml")
	text := "[users.alice]\nroot = \".\"\npermissions = [\"read\", \"create\"]\nquota = \"1KiB\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	book, err := accounts.Open(accounts.Options{Path: file})
	if err != nil {
		panic(err)
	}

	ctx, client := context.Background(), netip.MustParseAddr("192.0.2.1")
	guard := accounts.NewGuard(accounts.DefaultGuard())
	attempt, err := guard.Try(ctx, client, "alice")
	if err != nil {
		panic(err) // 530 with its text
	}
	attempt.Done(true) // what plugins.Users.Verify said

	alice, err := book.Login("alice", client)
	if err != nil {
		panic(err)
	}
	defer alice.Close()
	fmt.Println("delete:", alice.MayDelete("/ftp-users.toml"), "upload:", alice.MayUpload("/new", false))

	if err := alice.Count(ctx); err != nil {
		panic(err)
	}
	upload, err := alice.Upload(-1)
	if err != nil {
		panic(err)
	}
	n, err := upload.Reserve(0, 2000)
	fmt.Println("room for", n, "bytes", err)
	_, err = upload.Reserve(n, 2000-n)
	fmt.Println(err)
	upload.Close(-1)
	// Output:
	// delete: false upload: true
	// room for 951 bytes <nil>
	// quota exceeded
}
