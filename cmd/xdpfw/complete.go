package main

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionMark, as the last word, asks which words could stand in place of
// the one before it; it is urfave/cli's protocol. The answer comes from the
// same definitions as the options themselves, and knows as arrange does that
// options stand anywhere.
const completionMark = "--generate-bash-completion"

// A completableFlag is an option that takes a value and knows which.
type completableFlag struct {
	*cli.StringFlag
	values func() []string
}

// complete gives the words that can stand where the last of words stands, by
// its beginning. It gives none where a file name belongs: shells know those better.
func complete(app *cli.App, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	var fit []string
	for _, word := range candidates(app, before, current) {
		if strings.HasPrefix(word, current) {
			fit = append(fit, word)
		}
	}
	return fit
}

func candidates(app *cli.App, before []string, current string) []string {
	if len(before) > 0 && before[0] == "help" {
		if len(before) > 1 {
			return nil
		}
		return verbNames(app)
	}
	if len(before) == 0 {
		if isOptionLike(current) || current == "-" {
			return optionWords([]cli.Flag{cli.HelpFlag, cli.VersionFlag}, nil)
		}
		return append(verbNames(app), "help")
	}
	verb := app.Command(before[0])
	if verb == nil {
		return nil
	}
	return verbCandidates(verb, before[1:], current)
}

// verbNames are the verbs that help lists.
func verbNames(app *cli.App) (names []string) {
	for _, verb := range app.VisibleCommands() {
		names = append(names, verb.Name)
	}
	return names
}

// verbCandidates are the words behind a verb.
func verbCandidates(verb *cli.Command, before []string, current string) []string {
	flags := append([]cli.Flag{cli.HelpFlag}, verb.Flags...)
	var given []cli.Flag
	arguments := 0
	for i := 0; i < len(before); i++ {
		name, _, attached := strings.Cut(before[i], "=")
		flag := findFlag(flags, name)
		switch {
		case before[i] == "--":
			return argumentCandidates(verb, arguments+len(before)-i-1)
		case flag == nil:
			arguments++
		case takesValue(flag) && !attached && i == len(before)-1:
			return flagValues(flag)
		case takesValue(flag) && !attached:
			i++
		}
		if flag != nil {
			given = append(given, flag)
		}
	}
	if name, _, attached := strings.Cut(current, "="); attached && isOptionLike(current) {
		return joined(name, flagValues(findFlag(flags, name)))
	}
	if isOptionLike(current) || current == "-" {
		return optionWords(flags, given)
	}
	return argumentCandidates(verb, arguments)
}

func takesValue(f cli.Flag) bool { return f.(cli.DocGenerationFlag).TakesValue() }

// flagValues are the values that an option can have, if they are known.
func flagValues(f cli.Flag) []string {
	if known, ok := f.(*completableFlag); ok {
		return known.values()
	}
	return nil
}

// joined are the values in the form --option=VALUE.
func joined(option string, values []string) (words []string) {
	for _, value := range values {
		words = append(words, option+"="+value)
	}
	return words
}

// optionWords are the options that can still be given.
func optionWords(flags, given []cli.Flag) (words []string) {
	for _, f := range flags {
		if _, repeatable := f.(*cli.StringSliceFlag); !repeatable && slices.Contains(given, f) {
			continue
		}
		for _, name := range f.Names() {
			words = append(words, dashed(name))
		}
	}
	return words
}

// argumentCandidates are the arguments of verbs that take none of a file's name.
func argumentCandidates(verb *cli.Command, before int) []string {
	if verb.Name == "completion" && before == 0 {
		return shellNames
	}
	return nil
}

// entryNames are the names in a folder: interfaces in /sys/class/net, network
// namespaces in /run/netns.
func entryNames(folder string) (names []string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // nothing to offer
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
