// Package gtwistd_test guards the tree: who may import whom, and what every package must have.
package gtwistd_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/gtwistd/gtwistd"

// imports is the import table: the first row that matches a package, as path.Match does, says what of this module it may
// import, and what its tests may import besides. Whoever needs a new line here explains it in the commit.
var imports = []struct {
	pkg   string
	may   []string
	tests []string
}{
	// The wiring: main lists the plugins, cmd knows everything but them.
	{"cmd/gtwistd", []string{"cmd", "services/*"}, []string{"daemon", "plugins"}},
	{"cmd", []string{"daemon", "logfile", "plugins", "internal/*"}, []string{"services/*"}},

	// The vocabulary, and the contract that every plugin passes on real sockets.
	{"plugins", nil, nil},
	{"plugins/plugintest", []string{"plugins", "internal/certs", "internal/endpoint", "internal/secrets", "internal/terms"}, nil},
	{"internal/terms", []string{"plugins", "internal/certs", "internal/endpoint", "internal/htpasswd", "internal/secrets"}, nil},

	// A service knows the vocabulary and its own parts. Two of them send and take files and limit
	// clients, with leaves in common.
	{"services/web", []string{"plugins", "services/web/*", "internal/peer"}, []string{"plugins/plugintest"}},
	{"services/web/lane", []string{"internal/cork", "internal/peer", "internal/splice"}, []string{"plugins/plugintest"}},
	{"services/web/static", []string{"plugins", "internal/part", "internal/regular"}, []string{"plugins/plugintest"}},
	{"services/ftp", []string{"plugins", "services/ftp/*", "internal/cork", "internal/part", "internal/peer", "internal/regular", "internal/splice"}, []string{"plugins/plugintest"}},
	{"services/ftp/accounts", []string{"plugins", "internal/peer", "internal/regular", "internal/suggest"}, []string{"plugins/plugintest"}},
	{"services/*", []string{"plugins"}, []string{"plugins/plugintest"}},
	{"services/web/proxy", []string{"plugins", "internal/regular"}, []string{"plugins/plugintest"}},
	{"services/*/*", []string{"plugins"}, []string{"plugins/plugintest"}},

	// Leaves know nobody; what an endpoint was meant to be is guessed like a command, a password or certificate file may be none, and what lies
	// within a directory is said in one place.
	{"internal/certs", []string{"internal/regular", "internal/secrets"}, nil},
	{"internal/htpasswd", []string{"internal/regular"}, nil},
	{"internal/endpoint", []string{"internal/suggest"}, []string{"internal/certs"}},
	{"daemon", nil, nil},
	{"logfile", nil, nil},
	{"internal/*", nil, nil},
	{"tools/*", nil, nil},
	{"bench/*", []string{"bench/contest"}, nil},
	{".", nil, nil},
}

// everywhere are the libraries that more than one package may import: the flags that a plugin declares, system calls,
// cryptography, which is the standard library's annex and one module for many things, and what only tests use.
var everywhere = []string{
	"github.com/spf13/pflag",
	"golang.org/x/sys",
	"golang.org/x/crypto",
	"github.com/rogpeppe/go-internal",
	"go.uber.org/goleak",
}

// unwanted are names that do not complete the sentence "this is the … of gtwistd".
var unwanted = []string{"util", "utils", "common", "helpers", "types", "models", "errors", "config", "server", "pkg"}

// source is one Go file, for whatever system and tags it is.
type source struct {
	name string // slash-separated, from the root
	*ast.File
}

func (s source) pkg() string  { return path.Dir(s.name) }
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }
func (s source) paths() []string {
	var paths []string
	for _, spec := range s.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// tree parses every Go file that belongs to a package of the module.
func tree(t *testing.T) []source {
	t.Helper()
	var files []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, source{filepath.ToSlash(name), file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestImportTable(t *testing.T) {
	for _, file := range tree(t) {
		may, known := allowed(file)
		if !known {
			t.Errorf("%s: no row of the import table is about this package", file.pkg())
			continue
		}
		for _, imported := range file.paths() {
			own, ok := strings.CutPrefix(imported, module+"/")
			if ok && !slices.ContainsFunc(may, func(pattern string) bool { return matches(pattern, own) }) {
				t.Errorf("%s imports %s, may import %q", file.name, own, may)
			}
		}
	}
}

// allowed is the import table's answer for a file. A test may always import the package it tests.
func allowed(file source) (may []string, known bool) {
	for _, row := range imports {
		if !matches(row.pkg, file.pkg()) {
			continue
		}
		if !file.isTest() {
			return row.may, true
		}
		return slices.Concat(row.may, row.tests, []string{file.pkg()}), true
	}
	return nil, false
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// TestOneImporter says that a third-party library has one importing package, so that it can be replaced there.
func TestOneImporter(t *testing.T) {
	libraries := requirements(t)
	importers := map[string]map[string]bool{}
	for _, file := range tree(t) {
		for _, imported := range file.paths() {
			library := libraryOf(imported, libraries)
			if library == "" || slices.Contains(everywhere, library) {
				continue
			}
			if importers[library] == nil {
				importers[library] = map[string]bool{}
			}
			importers[library][file.pkg()] = true
		}
	}
	if len(importers) == 0 {
		t.Error("no third-party library found: is go.mod still read as it is written?")
	}
	for library, packages := range importers {
		if len(packages) > 1 {
			t.Errorf("%s is imported by %q, want one package", library, slices.Sorted(maps.Keys(packages)))
		}
	}
}

// requirements are the module paths that go.mod names.
func requirements(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(words) >= 2 && strings.Contains(words[0], ".") && strings.HasPrefix(words[1], "v") {
			paths = append(paths, words[0])
		}
	}
	return paths
}

// libraryOf is the longest of the libraries that the import path is in.
func libraryOf(imported string, libraries []string) string {
	within := func(library string) bool { return imported == library || strings.HasPrefix(imported, library+"/") }
	found := slices.DeleteFunc(slices.Clone(libraries), func(library string) bool { return !within(library) })
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

// TestPackageDoc says that each package explains itself once, in the file that bears its name.
func TestPackageDoc(t *testing.T) {
	docs := map[string][]string{}
	for _, file := range tree(t) {
		if file.isTest() {
			continue
		}
		dir := file.pkg()
		if file.Doc == nil {
			docs[dir] = slices.Clip(docs[dir]) // so that a package without any is seen too
			continue
		}
		docs[dir] = append(docs[dir], file.name)
		first, home := "Package "+file.Name.Name+" ", path.Join(dir, file.Name.Name+".go")
		if file.Name.Name == "main" {
			first, home = "Command "+path.Base(dir)+" ", path.Join(dir, "main.go")
		}
		if file.name != home || !strings.HasPrefix(file.Doc.Text(), first) {
			t.Errorf("%s: package comment %.30q, want one in %s that begins with %q", file.name, file.Doc.Text(), home, first)
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s: package comments in %q, want one", dir, files)
		}
	}
}

// TestNothingBeforeMain says that importing a package does nothing: no init, and no import for its effect.
func TestNothingBeforeMain(t *testing.T) {
	for _, file := range tree(t) {
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init: list things in main instead", file.name)
			}
		}
		for _, spec := range file.Imports {
			data := spec.Path.Value == `"embed"` || spec.Path.Value == `"time/tzdata"`
			if spec.Name != nil && spec.Name.Name == "_" && !data {
				t.Errorf("%s: blank import of %s", file.name, spec.Path.Value)
			}
		}
	}
}

// TestMethodsCanGo says that nothing calls methods by names that the linker cannot know: one such call, and every exported
// method of every type stays in the program, 2 MB of them. Cobra's templates have one, which counts only if they are used.
func TestMethodsCanGo(t *testing.T) {
	callers := []string{"SetVersionTemplate", "SetUsageTemplate", "SetHelpTemplate", "AddTemplateFunc", "AddTemplateFuncs", "MethodByName"}
	for _, file := range tree(t) {
		if file.isTest() {
			continue
		}
		for _, imported := range file.paths() {
			if imported == "text/template" || imported == "html/template" {
				t.Errorf("%s imports %s, which calls methods by name", file.name, imported)
			}
		}
		ast.Inspect(file.File, func(node ast.Node) bool {
			if sel, ok := node.(*ast.SelectorExpr); ok && slices.Contains(callers, sel.Sel.Name) {
				t.Errorf("%s uses %s, which calls methods by name", file.name, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestPackageNames(t *testing.T) {
	for _, file := range tree(t) {
		if base := path.Base(file.pkg()); slices.Contains(unwanted, base) || slices.Contains(unwanted, file.Name.Name) {
			t.Errorf("%s: a package named %s says nothing about what it is", file.name, base)
		}
	}
}

// TestServicesAskTheRunner says that a service leaves to the runner what all services share.
func TestServicesAskTheRunner(t *testing.T) {
	runners := []string{
		"os.Exit", "os.Getenv", "os.LookupEnv", "os.Environ", "os.Stdout", "os.Stderr",
		"signal.Notify", "signal.NotifyContext", "log.Fatal", "log.Fatalf", "log.Print", "log.Printf",
		"net.Listen", "net.ListenTCP", "net.ListenUDP", "net.ListenUnix", "net.ListenPacket",
		"http.ListenAndServe", "http.ListenAndServeTLS", "slog.Default", "slog.SetDefault",
	}
	// A port for one transfer of FTP is no endpoint: nobody describes it, and it is gone before it could be shown.
	except := map[string]string{"services/ftp/listener.go": "net.ListenTCP"}
	for _, file := range tree(t) {
		if file.isTest() || !strings.HasPrefix(file.name, "services/") {
			continue
		}
		ast.Inspect(file.File, func(node ast.Node) bool {
			if sel, ok := node.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(runners, x.Name+"."+sel.Sel.Name) && except[file.name] != x.Name+"."+sel.Sel.Name {
					t.Errorf("%s uses %s.%s, which is the runner's business", file.name, x.Name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}
