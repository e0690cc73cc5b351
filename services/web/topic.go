package web

import (
	"strings"

	"github.com/gtwistd/gtwistd/plugins"
)

// topics are the pages of the manual for a site with these kinds beside the built-in ones.
func topics(more []Kind) []plugins.Topic {
	return []plugins.Topic{{
		Name:    "mounts",
		Summary: "what a site is made of: --mount of web and ssl-web, its kinds and their options",
		Sections: func() []plugins.Section {
			kinds, err := allKinds(more)
			if err != nil {
				panic(err) // a mistake of the program's author, as in options.Flags
			}
			return append([]plugins.Section{{Text: mountsIntro}, {Heading: "Examples", Text: mountExamples}}, kindSections(kinds)...)
		},
	}}
}

const mountsIntro = `A site is a list of mounts. Each --mount says what is served at a place, by web and ssl-web:

  --mount [HOST]PATH=KIND[:ARG][,NAME=VALUE]...

  PATH  the beginning of the URL paths that belong to the mount: /files stands for /files and all below it. The longest one wins; the order does not matter
  HOST  only for clients that ask for this name, such as example.org, or *.example.org for all names below it
  KIND  one of those below
  ARG  what the kind needs: a directory, a URL
  NAME=VALUE  a setting of this mount alone; one that is on or off needs no value. Repeatable ones may come several times
  \  before a ":", "=", "," or "\" that is meant literally

--path DIR is short for --mount /=static:DIR. Options of the service with the name of a setting, such as --compress or --auth, count for
every mount that does not set it, if its kind has it.
`

const mountExamples = `  --mount /=static:public --mount /api=proxy:http://127.0.0.1:9000
  --mount /old=redirect:/new,status=301
  --mount /private=static:/srv/private,auth=users,listing=on
  --mount /app=proxy:unix:/run/app.sock,max-body=10M
  --mount '/odd=static:a\,b\:c'
  --mount example.org/=static:/srv/org
  --mount '*.example.org/=redirect:https://example.org'
`

// kindSections describe what a mount of each kind may have, and what any may.
func kindSections(kinds []Kind) []plugins.Section {
	var list []plugins.Section
	for _, k := range kinds {
		settings := newFlagSet()
		k.New().Flags(settings)
		section := plugins.Section{Heading: "Kind " + k.Name, Text: strings.ToUpper(k.Summary[:1]) + k.Summary[1:] + ".\n"}
		if settings.HasFlags() {
			section.Text += "\n"
			section.Settings = settings
		}
		list = append(list, section)
	}
	every := newFlagSet()
	new(common).flags(every)
	return append(list, plugins.Section{Heading: "Settings of every kind", Settings: every})
}
