package plugintest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gtwistd/gtwistd/plugins"
)

var kebabCase = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// registers says whether the plugin can be listed in a main.
func registers(_ testing.TB, p plugins.Plugin, _ Config) error {
	_, err := plugins.NewRegistry(p)
	if err == nil && strings.HasSuffix(p.Summary, ".") {
		err = fmt.Errorf("summary %q ends with a full stop", p.Summary)
	}
	return err
}

// flagsDescribed says whether each flag has a usable name and a usage text, and collides with nothing.
func flagsDescribed(_ testing.TB, p plugins.Plugin, _ Config) error {
	_, fs, err := bind(p)
	if err != nil {
		return err
	}
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		switch {
		case !kebabCase.MatchString(f.Name):
			errs = append(errs, fmt.Errorf("flag %q is not in kebab case", f.Name))
		case f.Name == "help" || f.Shorthand == "h":
			errs = append(errs, fmt.Errorf("flag --%s takes the place of --help, -h", f.Name))
		case strings.TrimSpace(f.Usage) == "":
			errs = append(errs, fmt.Errorf("flag --%s has no usage text", f.Name))
		}
	})
	return errors.Join(errs...)
}

// optionsFresh says whether two sets of options are independent: what is set on one must not show on the other.
func optionsFresh(_ testing.TB, p plugins.Plugin, c Config) error {
	first, fs, err := bind(p)
	if err != nil {
		return err
	}
	_, untouched, err := bind(p)
	if err != nil {
		return fmt.Errorf("the second time: %w", err)
	}
	if err := parse(fs, c.Args); err != nil {
		return fmt.Errorf("Config.Args %q: %w", c.Args, err)
	}
	if first == nil {
		return errors.New("nil returned by New")
	}
	var errs []error
	untouched.VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != f.DefValue {
			errs = append(errs, fmt.Errorf("flag --%s of a second New is %q, want its default %q", f.Name, f.Value, f.DefValue))
		}
	})
	return errors.Join(errs...)
}

// examplesParse says whether each line of the Example is a command line that the plugin's flags take.
func examplesParse(_ testing.TB, p plugins.Plugin, _ Config) error {
	var errs []error
	for line := range strings.Lines(p.Example) {
		words := splitWords(line)
		if len(words) == 0 {
			continue
		}
		args, found := argsOf(words, p.Name)
		if !found {
			errs = append(errs, fmt.Errorf("example %q does not run %s", strings.TrimSpace(line), p.Name))
			continue
		}
		_, fs, err := bind(p)
		if err == nil {
			err = parse(fs, args)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("example %q: %w", strings.TrimSpace(line), err))
		}
	}
	return errors.Join(errs...)
}

// badArgsRefused says whether each bad command line is an error for which the program exits with code 2.
func badArgsRefused(t testing.TB, p plugins.Plugin, c Config) error {
	var errs []error
	for _, args := range c.BadArgs {
		before := goroutines()
		err := refused(t, p, args)
		if err == nil {
			err = before.leaked()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", args, err))
		}
	}
	return errors.Join(errs...)
}

func refused(t testing.TB, p plugins.Plugin, args []string) error {
	maker, fs, err := bind(p)
	if err != nil {
		return err
	}
	if parse(fs, args) != nil {
		return nil
	}
	host := NewHost(t, p.Name)
	defer host.closeAll()
	_, err = maker.Make(t.Context(), host.Env)
	var usage *plugins.UsageError
	if !errors.As(err, &usage) {
		return fmt.Errorf("Make() = %v, want a *plugins.UsageError", err) //nolint:errorlint // may be nil
	}
	if strings.TrimSpace(usage.Reason) == "" {
		return errors.New("the usage error has no text")
	}
	return nil
}

// bind makes a set of options and a flag set for them. pflag panics if two flags collide; here that is an error.
func bind(p plugins.Plugin) (maker plugins.Maker, fs *pflag.FlagSet, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("binding the flags of %s: %v", p.Name, r)
		}
	}()
	fs = pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	maker = p.New()
	maker.Flags(fs)
	return maker, fs, nil
}

func parse(fs *pflag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return nil
}

// argsOf returns what follows the plugin's name in a command line, up to a lone "+".
func argsOf(words []string, name string) (args []string, found bool) {
	for _, w := range words {
		switch {
		case !found:
			found = w == name
		case w == "+":
			return args, true
		default:
			args = append(args, w)
		}
	}
	return args, found
}

// splitWords splits a line as a shell does, as far as examples go: blanks separate, single and double quotes join, and
// a word that begins with # starts a comment.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	inWord := false
	for _, r := range strings.TrimSpace(line) {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && !inWord && r == '#':
			return words
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
