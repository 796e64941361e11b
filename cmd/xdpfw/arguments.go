package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// urfave/cli stops looking for options at the first argument. The command
// takes them anywhere behind the verb, so the words are put in order first,
// and since every word is known then, what is wrong with one is said here.

// A commandLine is the words behind the command's name, sorted by what they are.
type commandLine struct {
	verb    string   // "" for the options of the command itself
	options []option // in the order given
	args    []string
}

type option struct {
	name  string // as the flag is defined, without dashes
	value string // "" of switches
	takes bool   // a value
}

// words are what urfave/cli is to parse.
func (l *commandLine) words() []string {
	words := []string{"xdpfw"}
	if l.verb != "" {
		words = append(words, l.verb)
	}
	for _, o := range l.options {
		word := "--" + o.name
		if o.takes {
			word += "=" + o.value
		}
		words = append(words, word)
	}
	if l.verb == "" || l.has(cli.HelpFlag.Names()[0]) { // urfave/cli would take the first argument for a topic
		return words
	}
	return append(append(words, "--"), l.args...)
}

// has says whether an option is given.
func (l *commandLine) has(name string) bool {
	return slices.ContainsFunc(l.options, func(o option) bool { return o.name == name })
}

// option is the value of an option, "" if it is not given.
func (l *commandLine) option(name string) string {
	for _, o := range l.options {
		if o.name == name {
			return o.value
		}
	}
	return ""
}

// arrange sorts the words. The line holds what was understood also if there is
// an error, which is always a *usageError.
func arrange(app *cli.App, words []string) (*commandLine, error) {
	line := &commandLine{}
	words = helpAsOption(words)
	flags := []cli.Flag{cli.HelpFlag, cli.VersionFlag}
	if len(words) > 0 && !isOptionLike(words[0]) {
		i := slices.IndexFunc(app.Commands, func(c *cli.Command) bool { return c.Name == words[0] })
		if i < 0 {
			return line, usagef("unknown verb %q%s", words[0], nearVerb(app, words[0]))
		}
		line.verb = words[0]
		flags = append([]cli.Flag{cli.HelpFlag}, app.Commands[i].Flags...)
		words = words[1:]
	}
	return line, line.sort(flags, words)
}

// helpAsOption turns `help` and `help VERB` into `--help` and `VERB --help`.
func helpAsOption(words []string) []string {
	if len(words) == 0 || words[0] != "help" {
		return words
	}
	return append(slices.Clone(words[1:]), "--help")
}

// sort tells options, their values and arguments apart.
func (l *commandLine) sort(flags []cli.Flag, words []string) error {
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "--":
			l.args = append(l.args, words...)
			return nil
		case isOptionLike(word):
			used, err := l.addOption(flags, word, words)
			if err != nil {
				return err
			}
			words = words[used:]
		default:
			l.args = append(l.args, word)
			if l.verb == "" {
				return usagef("options of a verb stand behind it: xdpfw %s [options]", word)
			}
		}
	}
	return nil
}

// isOptionLike says whether a word would be read as an option. "-" alone is not one.
func isOptionLike(word string) bool { return len(word) > 1 && word[0] == '-' }

// addOption understands one word as an option, with its value from the words
// that follow; used is how many of them it took.
func (l *commandLine) addOption(flags []cli.Flag, word string, following []string) (used int, err error) {
	name, value, attached := strings.Cut(word, "=")
	flag := findFlag(flags, name)
	if flag == nil {
		return 0, usagef("unknown option %s%s", name, nearOption(flags, name))
	}
	o := option{name: flag.Names()[0], value: value, takes: flag.(cli.DocGenerationFlag).TakesValue()}
	_, repeatable := flag.(*cli.StringSliceFlag)
	switch {
	case !o.takes && attached:
		return 0, usagef("option %s takes no value", name)
	case o.takes && !attached && (len(following) == 0 || isOptionLike(following[0])):
		return 0, usagef("option %s needs a value", name)
	case o.takes && !attached:
		o.value, used = following[0], 1
	}
	if o.takes && o.value == "" {
		return 0, usagef("option %s needs a value that is not empty", name)
	}
	if _, isTime := flag.(*cli.DurationFlag); isTime {
		if _, err := time.ParseDuration(o.value); err != nil {
			return 0, usagef("option %s %s: must be a duration, a number with its unit, as 30s or 2m", name, o.value)
		}
	}
	if !repeatable && l.has(o.name) {
		return 0, usagef("option %s is given twice", name)
	}
	l.options = append(l.options, o)
	return used, nil
}

// findFlag finds a flag by a word of the form "-i" or "--json".
func findFlag(flags []cli.Flag, word string) cli.Flag {
	for _, f := range flags {
		for _, name := range f.Names() {
			if word == dashed(name) {
				return f
			}
		}
	}
	return nil
}

// dashed is an option as people write it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// nearOption says what a word that is no option may have been meant for.
func nearOption(flags []cli.Flag, word string) string {
	bare := strings.TrimLeft(word, "-")
	if long := "--" + bare; word != long && findFlag(flags, long) != nil {
		return "; did you mean " + long + "?"
	}
	if bare != "" && word[1] != '-' || len(bare) == 1 { // -ieth0, -jx, --i
		short := "-" + bare[:1]
		switch f := findFlag(flags, short); {
		case f != nil && len(bare) > 1 && f.(cli.DocGenerationFlag).TakesValue():
			return "; did you mean " + short + " " + bare[1:] + "?"
		case f != nil && len(bare) > 1:
			return "; short options are not joined: write each apart"
		case f != nil:
			return "; did you mean " + short + "?"
		}
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	if near := nearest(bare, names); near != "" {
		return "; did you mean " + dashed(near) + "?"
	}
	return ""
}

func nearVerb(app *cli.App, word string) string {
	var names []string
	for _, verb := range app.Commands {
		names = append(names, verb.Name)
	}
	if near := nearest(word, names); near != "" {
		return "; did you mean `xdpfw " + near + "`?"
	}
	return ""
}

// nearest is the name that at most a third of the letters keep apart from the
// word, "" if there is none.
func nearest(word string, names []string) string {
	best, fewest := "", len(word)/3+1
	if len(word) > 20 {
		return ""
	}
	for _, name := range names {
		if d := editDistance(word, name); len(name) > 1 && d < fewest {
			best, fewest = name, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
