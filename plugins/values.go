package plugins

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

var (
	_ pflag.Value = (*Size)(nil)
	_ pflag.Value = (*Duration)(nil)
)

// Size is a flag value in bytes, zero or more: "500", "64K", "1GiB"; K, M, G and T are powers of 1024. Where it is a limit,
// 0 means none.
type Size int64

// Type implements pflag.Value.
func (z *Size) Type() string { return "size" }

// String implements pflag.Value.
func (z *Size) String() string {
	n := int64(*z)
	for i := len(sizeUnits) - 1; i > 0; i-- {
		if unit := int64(1) << (10 * i); n >= unit && n%unit == 0 {
			return strconv.FormatInt(n/unit, 10) + sizeUnits[i:i+1] + "iB"
		}
	}
	return strconv.FormatInt(n, 10)
}

const sizeUnits = "BKMGT"

// Set implements pflag.Value.
func (z *Size) Set(s string) error {
	digits := strings.TrimRight(s, "BKMGTibkmgt")
	unit := strings.ToUpper(s[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return errors.New("not a size such as 100MiB or 1G")
	}
	i := 0
	if unit != "" {
		i = strings.IndexByte(sizeUnits, unit[0])
		if rest := unit[1:]; i < 0 || i > 0 && rest != "" && rest != "B" && rest != "IB" || i == 0 && rest != "" {
			return errors.New("not a size such as 100MiB or 1G")
		}
	}
	if n > math.MaxInt64>>(10*i) {
		return errors.New("larger than a file can be")
	}
	*z = Size(n << (10 * i))
	return nil
}

// Duration is a flag value: a time.Duration of zero or more, which may be given in whole days ("7d").
type Duration time.Duration

// Type implements pflag.Value.
func (d *Duration) Type() string { return "duration" }

// String implements pflag.Value.
func (d *Duration) String() string { return time.Duration(*d).String() }

// Set implements pflag.Value.
func (d *Duration) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed < 0 {
		return errors.New("not a duration such as 30s, 5m or 7d")
	}
	*d = Duration(parsed)
	return nil
}
