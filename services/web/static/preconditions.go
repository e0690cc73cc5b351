package static

import (
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// conditions says whether a file may be written, in the order of RFC 9110 section 13.2.2. info is nil if there is none. The
// error is errCondition.
func conditions(header http.Header, info fs.FileInfo) error {
	if tags := header.Values("If-Match"); len(tags) > 0 {
		if info == nil || !hasTag(tags, etagOf(info, identity), false) {
			return errCondition
		}
	} else if since, err := http.ParseTime(header.Get("If-Unmodified-Since")); err == nil && info != nil {
		if info.ModTime().Truncate(time.Second).After(since) {
			return errCondition
		}
	}
	if tags := header.Values("If-None-Match"); len(tags) > 0 && info != nil && hasTag(tags, etagOf(info, identity), true) {
		return errCondition
	}
	return nil
}

// hasTag looks for a strong tag, which has no comma in it, in lists of tags; weak says that a weak one counts too.
func hasTag(lines []string, tag string, weak bool) bool {
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || item == tag || weak && item == "W/"+tag {
			return true
		}
	}
	return false
}
