//go:build unix

package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// shown is a service that asks for its address to be shown.
type shown struct {
	faulty
	wanted plugins.Announcement
}

func shownPlugin() plugins.Plugin {
	return plugins.Plugin{Name: "shown", Summary: "show the address", Scheme: "http", New: func() plugins.Maker { return &shown{} }}
}

func (s *shown) Flags(fs *pflag.FlagSet) {
	s.faulty.Flags(fs)
	fs.BoolVar(&s.wanted.QR, "qr", false, "as a QR code")
	fs.BoolVar(&s.wanted.Open, "open", false, "in a browser")
	fs.StringVar(&s.wanted.Path, "at", "", "with `PATH`")
}

func (s *shown) Make(ctx context.Context, env *plugins.Env) (plugins.Service, error) {
	_, err := s.faulty.Make(ctx, env)
	return s, err
}

func (s *shown) Announcement() plugins.Announcement { return s.wanted }
