package ftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gtwistd/gtwistd/internal/peer"
	"github.com/gtwistd/gtwistd/plugins"
)

// portRange is a flag value: ports from low to high. The zero value is any port.
type portRange struct{ low, high int }

// Set implements pflag.Value.
func (r *portRange) Set(s string) error {
	first, last, found := strings.Cut(s, "-")
	if !found {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	switch {
	case err1 != nil || err2 != nil || low == 0 || high == 0:
		return errors.New("not ports such as 50000-50100")
	case low > high:
		return fmt.Errorf("the wrong way round: did you mean %d-%d?", high, low)
	}
	r.low, r.high = int(low), int(high)
	return nil
}

// String implements pflag.Value.
func (r *portRange) String() string {
	if r.low == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d", r.low, r.high)
}

// Type implements pflag.Value.
func (r *portRange) Type() string { return "FIRST-LAST" }

// networks is a flag value: any number of networks.
type networks []netip.Prefix

// Set implements pflag.Value.
func (l *networks) Set(s string) error {
	network, err := peer.ParseNetwork(s)
	if err != nil {
		return err
	}
	*l = append(*l, network)
	return nil
}

// String implements pflag.Value.
func (l *networks) String() string { return strings.Join(l.GetSlice(), "\n") }

// Type implements pflag.Value.
func (l *networks) Type() string { return "NETWORK" }

// Append implements pflag.SliceValue.
func (l *networks) Append(s string) error { return l.Set(s) }

// Replace implements pflag.SliceValue.
func (l *networks) Replace(list []string) error {
	*l = nil
	for _, s := range list {
		if err := l.Set(s); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice implements pflag.SliceValue.
func (l *networks) GetSlice() []string {
	var list []string
	for _, network := range *l {
		list = append(list, network.String())
	}
	return list
}

// publicIPs is a flag value: the addresses that clients in passive mode are told. It is safe for concurrent use once set.
type publicIPs struct {
	rules []*publicIP
	stale chan *publicIP // for run; nil without
}

// publicIP is what clients of a network are told.
type publicIP struct {
	given   string
	network netip.Prefix // the zero value is all
	addr    netip.Addr   // invalid for a host name
	host    string
	lookup  func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu    sync.Mutex
	known netip.Addr // what the host name meant
	at    time.Time
}

// Set implements pflag.Value.
func (l *publicIPs) Set(s string) error {
	rule := &publicIP{given: s, lookup: net.DefaultResolver.LookupNetIP}
	network, target, found := strings.Cut(s, "=")
	if !found {
		network, target = "", s
	}
	if found {
		prefix, err := peer.ParseNetwork(network)
		if err != nil {
			return fmt.Errorf("%q: %w", network, err)
		}
		rule.network = prefix
	}
	if err := l.fits(rule.network); err != nil {
		return err
	}
	addr, err := netip.ParseAddr(target)
	switch {
	case err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})):
		return errors.New("no client can connect to that address")
	case err == nil && !addr.Is4():
		return errors.New("passive mode has IPv4 addresses; IPv6 clients use EPSV, which needs none")
	case err == nil:
		rule.addr = addr
	case !isHostName(target):
		return errors.New("not an IPv4 address or host name")
	default:
		rule.host = target
	}
	l.rules = append(l.rules, rule)
	return nil
}

// fits says whether there can be a rule for a network beside those there are; the zero value is all clients.
func (l *publicIPs) fits(network netip.Prefix) error {
	i := slices.IndexFunc(l.rules, func(r *publicIP) bool { return r.network == network })
	switch {
	case i < 0:
		return nil
	case !network.IsValid():
		return fmt.Errorf("there is %q already: give others a network, as in 10.0.0.0/8=10.0.0.7", l.rules[i].given)
	}
	return fmt.Errorf("there is %q already for this network", l.rules[i].given)
}

func isHostName(s string) bool {
	digits := strings.Trim(s, "0123456789.") == ""
	return s != "" && !digits && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// String implements pflag.Value.
func (l *publicIPs) String() string { return strings.Join(l.GetSlice(), "\n") }

// Type implements pflag.Value.
func (l *publicIPs) Type() string { return "ADDRESS|HOST|NETWORK=ADDRESS" }

// Append implements pflag.SliceValue.
func (l *publicIPs) Append(s string) error { return l.Set(s) }

// Replace implements pflag.SliceValue.
func (l *publicIPs) Replace(list []string) error {
	l.rules = nil
	for _, s := range list {
		if err := l.Set(s); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice implements pflag.SliceValue.
func (l *publicIPs) GetSlice() []string {
	var list []string
	for _, rule := range l.rules {
		list = append(list, rule.given)
	}
	return list
}

// resolve looks host names up, so that a wrong one is known before a client comes.
func (l *publicIPs) resolve(ctx context.Context) error {
	for _, rule := range l.rules {
		if err := rule.resolve(ctx, time.Now()); err != nil {
			return fmt.Errorf("--public-ip %q: %w", rule.given, err)
		}
	}
	return nil
}

// run looks host names up anew that find has met and that are old, until ctx is done.
func (l *publicIPs) run(ctx context.Context, log *slog.Logger) {
	for {
		select {
		case rule := <-l.stale:
			if err := rule.resolve(ctx, time.Now()); err != nil && ctx.Err() == nil {
				log.Warn("a public address is not looked up, the old one stays", "host", rule.host, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// find returns what a client is told, the narrowest network first; invalid if there is nothing for it. It does not wait for a
// host name: what it meant serves until run knows better.
func (l *publicIPs) find(client netip.Addr) netip.Addr {
	var best *publicIP
	for _, rule := range l.rules {
		switch {
		case rule.network.IsValid() && !rule.network.Contains(client):
		case best == nil || rule.network.Bits() > best.network.Bits():
			best = rule
		}
	}
	if best == nil {
		return netip.Addr{}
	}
	addr, fresh := best.current(time.Now())
	if !fresh {
		select {
		case l.stale <- best:
		default: // run is busy
		}
	}
	return addr
}

const (
	// resolvedFor is how long the address of a host name is taken for true.
	resolvedFor    = time.Minute
	resolveTimeout = 5 * time.Second
)

// current returns the address as far as it is known, and whether that is not long ago.
func (r *publicIP) current(now time.Time) (addr netip.Addr, fresh bool) {
	if r.addr.IsValid() {
		return r.addr, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known, r.known.IsValid() && now.Sub(r.at) < resolvedFor
}

// resolve looks a host name up. After an error the old address stays, and is as good as a new one.
func (r *publicIP) resolve(ctx context.Context, now time.Time) error {
	if r.addr.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	found, err := r.lookup(ctx, "ip4", r.host)
	if err == nil && len(found) == 0 {
		err = plugins.Usagef("no IPv4 address")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at = now; err == nil {
		r.known = found[0].Unmap()
	}
	return err
}
