package live

import (
	"slices"
	"strings"
)

// allowScript adds to a Content-Security-Policy (W3C, CSP level 3) what the script and its stream need: both come from the
// site itself. Several policies in one header are separated by commas, and all of them hold. A policy that names neither
// kind of source allows both already.
func allowScript(policies string) string {
	var list []string
	for policy := range strings.SplitSeq(policies, ",") {
		p := parsePolicy(policy)
		p.allowSelf("script-src-elem", "script-src", "default-src")
		p.allowSelf("connect-src", "default-src")
		list = append(list, p.String())
	}
	return strings.Join(list, ", ")
}

// policy is a list of directives: each a name and its sources.
type policy [][]string

func parsePolicy(s string) policy {
	var p policy
	for directive := range strings.SplitSeq(s, ";") {
		if words := strings.Fields(directive); len(words) > 0 {
			p = append(p, words)
		}
	}
	return p
}

func (p policy) String() string {
	var list []string
	for _, directive := range p {
		list = append(list, strings.Join(directive, " "))
	}
	return strings.Join(list, "; ")
}

// find returns the place of a directive, -1 if there is none. The first of several counts.
func (p policy) find(name string) int {
	return slices.IndexFunc(p, func(directive []string) bool { return strings.EqualFold(directive[0], name) })
}

// allowSelf adds the site itself to the first of the directives that is there. Default-src, always the last, holds for more
// than what is meant, so a directive of its own takes over from it: the last but one.
func (p *policy) allowSelf(names ...string) {
	for i, name := range names {
		at := p.find(name)
		if at < 0 {
			continue
		}
		sources := withSelf((*p)[at][1:])
		if name == "default-src" {
			*p = append(*p, append([]string{names[i-1]}, sources...))
		} else {
			(*p)[at] = append([]string{name}, sources...)
		}
		return
	}
}

func withSelf(sources []string) []string {
	isSelf := func(source string) bool { return strings.EqualFold(source, "'self'") || source == "*" }
	if slices.ContainsFunc(sources, isSelf) {
		return slices.Clone(sources)
	}
	rest := slices.DeleteFunc(slices.Clone(sources), func(source string) bool { return strings.EqualFold(source, "'none'") })
	return append(rest, "'self'")
}
