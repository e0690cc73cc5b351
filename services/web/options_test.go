package web

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

// TestWrongOptions gives every option a value that is wrong, and reads what is said about it before anything is served.
func TestWrongOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"pub/a.txt": "a", "pub/index.html": "i", "sub/a.txt": "a", "bad.pem": "no PEM", "bad.users": "no colon",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(s string) []string { return []string{"--mount", s} }
	tests := []struct {
		args  []string
		want  string // what the message is, or ends with if it is one of pflag's
		usage bool   // the command line is wrong, not a file
	}{
		// The form of a mount.
		{mount("files=static:."), `no path before the "=": write "/files=…" for a path, "files/=…" for all of a host`, true},
		{mount("/files"), `not of the form [HOST]PATH=KIND[:ARG][,option=value], such as /files=static:/srv/files`, true},
		{mount(""), `not of the form [HOST]PATH=KIND[:ARG][,option=value], such as /files=static:/srv/files`, true},
		{mount("/="), `no kind behind the "="`, true},
		{mount("/=statc:."), `no kind "statc": there are static, proxy, redirect`, true},
		{mount("/=static:pub,"), `no option behind a comma; options follow without a space, and a comma that is part of a value is written \,`, true},
		{mount("/a//b=static:pub"), `path "/a//b": an empty segment, or one of dots`, true},
		{mount("/a/../b=static:pub"), `path "/a/../b": an empty segment, or one of dots`, true},
		{mount("/a%20b=static:pub"), `path "/a%20b": without "?", "#" and "%"; write characters as they are`, true},
		{mount("ex ample/=static:pub"), `host "ex ample": not a name such as example.org or *.example.org`, true},
		{mount("*/=static:pub"), `host "*": not a name such as example.org or *.example.org`, true},
		{mount("*./=static:pub"), `host "*.": not a name such as example.org or *.example.org`, true},
		{mount("example.org:80/=static:pub"), `host "example.org:80": without a port; the port is that of --listen`, true},
		{mount("[::1]:80/=static:pub"), `host "[::1]:80": without a port; the port is that of --listen`, true},
		{mount("::1/=static:pub"), `host "::1": write "[::1]"`, true},
		{[]string{"--mount", "/=static:pub", "--mount", "/=static:sub"}, `--mount "/=static:sub": / is the place of --mount "/=static:pub" already`, true},
		{[]string{"--path", "pub", "--mount", "/=static:sub"}, `--mount "/=static:sub": / is the place of --path "pub" already`, true},
		{[]string{"--mount", "/a=static:pub", "--mount", "/a/=static:sub"}, `--mount "/a/=static:sub": /a is the place of --mount "/a=static:pub" already`, true},
		{[]string{"--mount", "H/=static:pub", "--mount", "h./=static:sub"}, `--mount "h./=static:sub": h/ is the place of --mount "H/=static:pub" already`, true},

		// The options of a mount.
		{mount("/=static:pub,lising=on"), `--mount "/=static:pub,lising=on": static has no option "lising"`, true},
		{mount("/=static:pub,port=80"), `--mount "/=static:pub,port=80": static has no option "port"`, true},
		{mount("/=redirect:https://x,listing=on"), `--mount "/=redirect:https://x,listing=on": redirect has no option "listing"`, true},
		{mount("/=static:pub,listing"), `--mount "/=static:pub,listing": option listing needs a value: listing=…`, true},
		{mount("/=static:pub,listing=x"), `--mount "/=static:pub,listing=x": option listing=x: not one of auto, on, off`, true},
		{mount("/=static:pub,memory=x"), `--mount "/=static:pub,memory=x": option memory=x: not a size such as 100MiB or 1G`, true},
		{mount("/=static:pub,hidden=x"), `--mount "/=static:pub,hidden=x": option hidden=x: neither true nor false`, true},
		{mount("/=static:pub,index=a/b"), `--mount "/=static:pub,index=a/b": option index "a/b": not the name of a file in each directory`, true},
		{mount("/=static:pub,spa=x"), `--mount "/=static:pub,spa=x": option spa "x": no such file below the directory that is served`, true},
		{mount("/=static:pub,spa=../x"), `--mount "/=static:pub,spa=../x": option spa "../x": not the path of a file below the directory that is served`, true},
		{mount("/=static:pub,not-found=a/"), `--mount "/=static:pub,not-found=a/": option not-found "a/": not the path of a file below the directory that is served`, true},
		{mount("/=static:pub/a.txt,spa=index.html"), `--mount "/=static:pub/a.txt,spa=index.html": option spa "index.html": no such file below the directory that is served`, true},
		{mount("/=static:pub,upload-overwrite"), `--mount "/=static:pub,upload-overwrite": option upload-overwrite: nothing is uploaded`, true},
		{mount("/=static:pub,auth="), `--mount "/=static:pub,auth=": option auth=: no path`, true},
		{mount("/=static:pub,auth=off,auth-realm=x"), `--mount "/=static:pub,auth=off,auth-realm=x": option auth-realm: nobody is asked for a password`, true},
		{mount("/=static:pub,auth=missing"), `--mount "/=static:pub,auth=missing": option auth "missing": no such file or directory`, false},
		{mount("/=static:pub,auth=bad.users"), `bad.users:1: not of the form NAME:HASH`, false},
		{mount("/=static:pub,auth-realm=x"), `--mount "/=static:pub,auth-realm=x": option auth-realm: nobody is asked for a password`, true},
		{mount("/=static:pub,cors=x"), `--mount "/=static:pub,cors=x": option cors=x: not an origin such as https://example.org, without a path`, true},
		{mount("/=static:pub,add-header=x"), `--mount "/=static:pub,add-header=x": option add-header=x: not of the form Name: value`, true},

		// What the kinds say.
		{mount("/=static"), `--mount "/=static": static: no directory`, true},
		{mount("/=static:x"), `--mount "/=static:x": no such directory`, false},
		{mount("/=redirect"), `--mount "/=redirect": redirect: "" is neither a URL nor a path`, true},
		{mount("/=redirect:foo"), `--mount "/=redirect:foo": redirect: "foo" is neither a URL nor a path`, true},
		{mount("/=redirect://x"), `--mount "/=redirect://x": redirect: "//x" is neither a URL nor a path`, true},
		{mount("/=redirect:ftp://x"), `--mount "/=redirect:ftp://x": redirect: "ftp://x" is neither a URL nor a path`, true},
		{mount("/=redirect:/x"), `--mount "/=redirect:/x": /x leads back to where it comes from`, true},
		{mount("/=redirect:https://x,status=200"), `--mount "/=redirect:https://x,status=200": option status=200: not 301, 302, 303, 307 or 308`, true},
		{mount("/=redirect:https://x,status=x"), `--mount "/=redirect:https://x,status=x": option status=x: not a whole number`, true},
		{mount("/=proxy"), `--mount "/=proxy": proxy "": no address`, true},
		{mount("/=proxy:foo"), `--mount "/=proxy:foo": proxy "foo": not an address with its scheme`, true},

		// The files.
		{[]string{"--path", "x"}, `--path "x": no such directory`, false},
		{[]string{"--path", "pub/a.txt/x"}, `--path "pub/a.txt/x": not a directory`, false},
		{[]string{"--path", ""}, `no path`, true},
		{[]string{"--path", "pub", "--path", "sub"}, `it is "pub" already, and there can be only one`, true},
		{[]string{"--index", "a/b"}, `--index "a/b": not the name of a file in each directory`, true},
		{[]string{"--index", ".."}, `--index "..": not the name of a file in each directory`, true},
		{[]string{"--spa", "x"}, `--spa "x": no such file below the directory that is served`, true},
		{[]string{"--not-found", "../x"}, `--not-found "../x": not the path of a file below the directory that is served`, true},
		{[]string{"--spa", "x", "--mount", "/=static:pub"}, `--mount "/=static:pub": --spa "x": no such file below the directory that is served`, true},
		{[]string{"--listing", "x"}, `not one of auto, on, off`, true},
		{[]string{"--mime-type", "x"}, `"x" is not a media type such as text/plain; charset=utf-8`, true},
		{[]string{"--mime-type", ".x"}, `not of the form .md=text/plain`, true},
		{[]string{"--mime-type", ".=a/b"}, `not of the form .md=text/plain`, true},
		{[]string{"--mime-type", ".x=foo"}, `"foo" is not a media type such as text/plain; charset=utf-8`, true},
		{[]string{"--mime-type", ".tar.gz=a/b"}, `of a name only the last ending counts: .gz`, true},
		{[]string{"--cache-control", "x"}, `not of the form PATTERN=VALUE, such as *.css=max-age=3600`, true},
		{[]string{"--cache-control", "*.css="}, `not of the form PATTERN=VALUE, such as *.css=max-age=3600`, true},
		{[]string{"--cache-control", "[=x"}, `pattern "[": a bracket that is not closed, or nothing after a backslash`, true},
		{[]string{"--cache-control", "a/=x"}, `pattern "a/": nothing before or after a slash; all below a directory is dir/**`, true},
		{[]string{"--cache-control", "a=x\r\nX: y"}, `"x\r\nX: y" cannot stand in a header`, true},
		{[]string{"--memory", "x"}, `not a size such as 100MiB or 1G`, true},
		{[]string{"--upload-max", "x"}, `not a size such as 100MiB or 1G`, true},
		{[]string{"--upload-overwrite"}, `--upload-overwrite: nothing is uploaded`, true},
		{[]string{"--upload", "--path", "pub/a.txt"}, `pub/a.txt" is a single file, not a directory`, true},

		// Who may, and what is said to everybody.
		{[]string{"--auth", "missing"}, `--auth "missing": no such file or directory`, false},
		{[]string{"--auth-realm", "x"}, `--auth-realm: nobody is asked for a password`, true},
		{[]string{"--rate-limit", "x"}, `not a rate such as 10/s, 100/m, 1000/h or, with 20 at once, 10/s:20; nor off`, true},
		{[]string{"--max-body", "x"}, `not a size such as 100MiB or 1G`, true},
		{[]string{"--add-header", "x"}, `not of the form Name: value`, true},
		{[]string{"--add-header", "a b: c"}, `not of the form Name: value`, true},
		{[]string{"--add-header", "a: b\nc: d"}, `a control character in the value`, true},
		{[]string{"--add-header", "content-length: 1"}, `Content-Length is set by the server itself`, true},
		{[]string{"--cors=x"}, `not an origin such as https://example.org, without a path`, true},
		{[]string{"--cors=https://example.org/"}, `not an origin such as https://example.org, without a path`, true},
		{[]string{"--cors=https://joe@example.org"}, `not an origin such as https://example.org, without a path`, true},
		{[]string{"--cors=null"}, `not an origin such as https://example.org, without a path`, true},
		{[]string{"--trusted-proxy", "x"}, `not an address such as 10.0.0.1, a network such as 10.0.0.0/8, or private, loopback or unix`, true},

		// The log, and where to listen.
		{[]string{"--access-log", ""}, `no path`, true},
		{[]string{"--access-log", "-"}, `--access-log "-": not a file`, true},
		{[]string{"--access-log", "missing/x"}, `no such file or directory`, false},
		{[]string{"--access-format", "x"}, `not one of combined, json`, true},
		{[]string{"--route-prefix", "x"}, `--route-prefix "x": not a path such as /app`, true},
		{[]string{"--route-prefix", "/a/../b"}, `--route-prefix "/a/../b": not a path such as /app`, true},
		{[]string{"--port", "abc"}, `--port "abc": not a port, nor an endpoint`, true},
		{[]string{"--port", ""}, `--port "": no port`, true},
		{[]string{"--live", "--mount", "/=redirect:https://x"}, `--live: there is no static mount whose files could change`, true},

		// TLS.
		{[]string{"--http", "0"}, `--http: there is no TLS here that it could be without`, true},
		{[]string{"--tls", "--redirect-http"}, `--redirect-http: nobody can come without TLS`, true},
		{[]string{"--hsts", "1h"}, `--hsts: there is no TLS here`, true},
		{[]string{"--hsts", "x"}, `not a duration such as 30s, 5m or 7d`, true},
		{[]string{"--privkey", "k"}, `--privkey "k": there is no --certificate for it`, true},
		{[]string{"--certificate", "a", "--certificate", "b", "--privkey", "c"}, `--certificate "b": there is no --privkey for it`, true},
		{[]string{"--certificate", "missing.pem"}, `"missing.pem": no such file or directory`, false},
		{[]string{"--certificate", "bad.pem"}, `"bad.pem": no certificate in it`, false},
		{[]string{"--client-ca", "bad.pem", "--http", "0"}, `--client-ca: who comes to --http needs no certificate`, true},
		{[]string{"--client-ca", "missing.pem"}, `"missing.pem": no such file or directory`, false},
		{[]string{"--client-ca", "bad.pem"}, `"bad.pem": no certificate in it`, false},
		{[]string{"--acme", "foo"}, `"foo": not a domain such as www.example.org`, true},
		{[]string{"--acme", "example.org", "--certificate", "bad.pem"}, `certificates come from one of them`, true},
		{[]string{"--acme-email", "a@b.example"}, `--acme-email "a@b.example": no certificate is asked for`, true},
		{[]string{"--acme-email", "x", "--acme", "example.org"}, `--acme-email "x": not an address such as admin@example.org`, true},
		{[]string{"--acme-directory", "https://x"}, `--acme-directory "https://x": no certificate is asked for`, true},

		// What clients may cost.
		{[]string{"--header-timeout", "x"}, `not a duration such as 30s, 5m or 7d`, true},
		{[]string{"--idle-timeout", "-1s"}, `not a duration such as 30s, 5m or 7d`, true},
		{[]string{"--stall-timeout", "5"}, `not a duration such as 30s, 5m or 7d`, true},
		{[]string{"--min-rate", "x"}, `not a size such as 100MiB or 1G`, true},
		{[]string{"--max-header", "10"}, `--max-header 10: less than the 1KiB that every request needs`, true},
		{[]string{"--max-conns", "-1"}, `--max-conns -1: less than none`, true},
		{[]string{"--max-conns-per-ip", "-1"}, `--max-conns-per-ip -1: less than none`, true},
	}
	tried := map[string]bool{}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			err := made(t, tt.args...)
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Fatalf("%q: %v\nwant %s", tt.args, err, tt.want)
			}
			if strings.HasPrefix(tt.want, "--") && err.Error() != tt.want {
				t.Errorf("%q: %v\nwant %s", tt.args, err, tt.want)
			}
			_, usage := errors.AsType[*plugins.UsageError](err)
			_, parse := errors.AsType[*pflag.InvalidValueError](err)
			if (usage || parse) != tt.usage {
				t.Errorf("%q: %v, a usage error: %v, want %v", tt.args, err, usage || parse, tt.usage)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", tt.args, err)
			}
		})
		name, _, _ := strings.Cut(tt.args[0], "=")
		tried[strings.TrimPrefix(name, "--")] = true
	}
	// Switches have no value that could be wrong, and these take any text.
	free := []string{"clean-urls", "compress", "precompressed", "archive", "h2c", "qr", "open", "tls", "hidden", "listen", "redirect-http"}
	flags := pflag.NewFlagSet("web", pflag.ContinueOnError)
	(&options{}).Flags(flags)
	for _, name := range free {
		tried[name] = true
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !tried[f.Name] {
			t.Errorf("--%s: no case gives it a wrong value", f.Name)
		}
	})
}

// TestRateOff says that no limit, said for all mounts, is what a mount may have, and be given.
func TestRateOff(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"--rate-limit", "off"}, {"--rate-limit", "1/s", "--rate-limit", "off"}, {"--rate-limit", "1/s", "--mount", "/=static:.,rate-limit=off"}} {
		if err := made(t, args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestMountInherits says that a mount has the options of the service but for those that it names itself, of which it has its
// own alone.
func TestMountInherits(t *testing.T) {
	t.Chdir(t.TempDir())
	o := &options{}
	flags := pflag.NewFlagSet("web", pflag.ContinueOnError)
	o.Flags(flags)
	if err := flags.Parse([]string{
		"--add-header", "A: 1", "--add-header", "B: 2", "--index", "i", "--mime-type", ".x=a/b", "--cache-control", `[a-z]*=x, y`, "--cors=https://a.example",
		"--rate-limit", "10/s:20", "--memory", "3MiB", "--max-body", "1K", "--listing", "off", "--hidden", "--mount", "/=static:.,add-header=C: 3,index=j,hidden=false",
	}); err != nil {
		t.Fatal(err)
	}
	spec := &o.mounts.list[0]
	own, m, to, from := common{}, &staticMount{}, newFlagSet(), newFlagSet()
	own.flags(to)
	m.Flags(to)
	from.AddFlagSet(o.commonFlags)
	from.AddFlagSet(o.staticFlags)
	if err := spec.apply(to, from); err != nil {
		t.Fatal(err)
	}
	if got := own.headers.String(); got != "C: 3" {
		t.Errorf("headers %q, want the mount's alone", got)
	}
	if got := m.options; strings.Join(got.Index, " ") != "j" || got.Hidden || got.Memory != 3<<20 || got.Listing != "off" ||
		got.CacheControl.String() != `[a-z]*=x, y` || got.MIMETypes.String() != ".x=a/b" {
		t.Errorf("options %+v", got)
	}
	if own.origins.String() != "https://a.example" || own.rate != o.common.rate || own.maxBody != 1<<10 {
		t.Errorf("common options %+v", own)
	}
}
