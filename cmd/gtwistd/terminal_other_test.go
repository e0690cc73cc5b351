//go:build unix && !linux

package main

import "errors"

func terminal() { exitOn(errors.ErrUnsupported) } // its script skips here
