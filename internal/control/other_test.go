//go:build !linux && !darwin && !freebsd

package control_test

const childSocket = "GTWISTD_TEST_CONTROL_SOCKET"

func askAsNobody(string) int { return 1 }
