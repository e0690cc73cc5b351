//go:build unix

package daemon_test

func pidfileRoles() map[string]func([]string) int { return nil }
