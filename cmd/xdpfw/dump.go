package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

func dumpCommand() *cli.Command {
	return &cli.Command{
		Name:      "dump",
		Usage:     "list the bytecode of a rule file for review",
		UsageText: "xdpfw dump [options] FILE|OBJECT\n   xdpfw dump -i IFACE [--netns NAME|PATH] [--format FORMAT]",
		Description: "Every instruction stands under the rule that it serves. The same input gives the same bytes,\n" +
			"so that listings can be kept and compared. Neither root nor a kernel with BPF is needed.\n" +
			"With -i it lists what is loaded on an interface, and needs no file.\n\n" +
			"Examples:\n   xdpfw dump rules.fw\n   xdpfw dump --format json rules.fw\n   sudo xdpfw dump -i eth0",
		Flags: withCompileFlags(
			interfaceFlag("list what is loaded on `IFACE`"),
			netnsFlag(),
			choiceFlag("format", "text", "print as `FORMAT`: text, json, dot (for Graphviz) or html (a page to look at)", "text", "json", "dot", "html"),
			choiceFlag("stage", stageAsm, "print `STAGE`: tokens, ast, rules, ir, asm (the program), or, of the kernel, xlated or jited", stageNames...),
			&cli.BoolFlag{DisableDefaultText: true, Name: "tables", Usage: "print what the tables hold too, so that xdpfw asm makes the program of it again"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: "the same as --format json"},
		),
		Action: dump,
	}
}

func dump(c *cli.Context) error {
	if c.Bool("json") && c.IsSet("format") && c.String("format") != "json" {
		return usagef("--json and --format %s contradict each other", c.String("format"))
	}
	stage := c.String("stage")
	if stage != stageAsm {
		for _, name := range []string{"tables", "json", "format"} {
			if c.IsSet(name) {
				return usagef("--%s is for --stage asm", name)
			}
		}
	}
	if format := c.String("format"); c.Bool("tables") && (format == "dot" || format == "html") {
		return usagef("--tables is for --format text and json")
	}
	if c.IsSet("i") {
		return dumpLoaded(c)
	}
	if c.IsSet("netns") {
		return usagef("--netns is for -i IFACE")
	}
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	switch stage {
	case stageTokens, stageAST, stageRules, stageIR:
		return dumpStage(c, stage, path)
	}
	set, object, err := compileFile(c, path)
	switch {
	case err != nil:
		return err
	case stage != stageAsm:
		return dumpTranslated(c, stage, object)
	}
	return printObject(c, set, object, nil)
}

// printObject in the format that is asked for; the rules and the live counters
// are nil if they are not known.
func printObject(c *cli.Context, set *rules.RuleSet, object *codegen.Object, live *loader.Stats) (err error) {
	w := bufio.NewWriter(c.App.Writer)
	format := c.String("format")
	if c.Bool("json") {
		format = "json"
	}
	switch format {
	case "json":
		err = printListing(w, object, c.Bool("tables"))
	case "dot":
		err = printDot(w, object)
	case "html":
		err = printPage(w, set, object, live)
	default:
		err = object.Listing(w, c.Bool("tables"))
		if err == nil && hasTables(object) {
			if ways := waysOf(set, object, false); ways != nil {
				printWays(w, ways)
			}
		}
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// hasTables says that rules are found by tables, so that no instruction is of
// one rule alone.
func hasTables(object *codegen.Object) bool {
	return slices.ContainsFunc(object.Choices, func(c codegen.Choice) bool { return c.Strategy == codegen.Table })
}

// A listing is what `dump --format json` prints: an Object, without the contents
// of its tables but with --tables. Its lists are in the Object's order, so that places in it can
// be named by index.
type listing struct {
	Source   string          `json:"source"`
	Digest   string          `json:"digest"`
	Rules    int             `json:"rules"`
	Strategy string          `json:"strategy"`
	Why      string          `json:"why"`
	Target   string          `json:"target"` // the oldest kernel it is for
	Maps     []listedMap     `json:"maps"`
	Counters []listedCounter `json:"counters"` // by slot of the counter map
	Origins  []listedOrigin  `json:"origins"`
	Programs []listedProgram `json:"programs"`
}

type listedMap struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Lifetime   string `json:"lifetime"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
	Contents   string `json:"contents,omitempty"` // with --tables: of its only element, hexadecimal
}

type listedCounter struct {
	Key     string `json:"key"` // identity over edits of the file
	Verdict string `json:"verdict"`
	Name    string `json:"name"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
}

type listedOrigin struct {
	Source string `json:"source"` // "" with line 0 of code that serves no one place
	Line   int    `json:"line"`
	Col    int    `json:"col"`
	Text   string `json:"text"`
}

type listedProgram struct {
	Name         string              `json:"name"`
	Slots        int                 `json:"slots"` // instructions as the kernel counts them
	Longest      int                 `json:"worst_case_instructions"`
	Instructions []listedInstruction `json:"instructions"`
}

type listedInstruction struct {
	Offset   int    `json:"offset"` // in slots of eight bytes
	Raw      string `json:"raw"`    // hexadecimal, eight bytes or sixteen
	Label    string `json:"label,omitempty"`
	Mnemonic string `json:"mnemonic"`
	Comment  string `json:"comment,omitempty"`
	Origin   int    `json:"origin"` // index in origins
}

var lifetimeNames = map[codegen.Lifetime]string{
	codegen.Frozen: "frozen", codegen.Count: "count", codegen.Dynamic: "dynamic", codegen.Scratch: "scratch",
}

func printListing(w io.Writer, object *codegen.Object, tables bool) error {
	l, err := newListing(object, tables)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ") // listings are kept and compared line by line
	return e.Encode(l)
}

func newListing(object *codegen.Object, tables bool) (*listing, error) {
	l := &listing{
		Source: object.Source, Digest: object.Digest, Rules: object.Rules,
		Strategy: object.Strategy, Why: object.Why, Target: object.Target.Kernel,
		Maps: []listedMap{}, Counters: []listedCounter{},
	}
	for _, m := range object.Maps {
		listed := listedMap{
			Name: m.Spec.Name, Type: m.Spec.Type.String(), Lifetime: lifetimeNames[m.Lifetime],
			KeySize: m.Spec.KeySize, ValueSize: m.Spec.ValueSize, MaxEntries: m.Spec.MaxEntries,
		}
		if tables {
			listed.Contents = hex.EncodeToString(m.Contents())
		}
		l.Maps = append(l.Maps, listed)
	}
	for _, c := range object.Counters {
		l.Counters = append(l.Counters, listedCounter{c.Key, c.Verdict.String(), c.Name, c.Source, c.Line, c.Text})
	}
	for _, o := range object.Origins {
		l.Origins = append(l.Origins, listedOrigin{o.Position.File, o.Position.Line, o.Position.Col, o.Text})
	}
	for i := range object.Programs {
		p, err := listProgram(&object.Programs[i])
		if err != nil {
			return nil, err
		}
		l.Programs = append(l.Programs, p)
	}
	return l, nil
}

func listProgram(program *codegen.Program) (listedProgram, error) {
	raw, err := program.Raw()
	if err != nil {
		return listedProgram{}, err
	}
	p := listedProgram{Name: program.Name, Slots: program.Slots(), Longest: program.Longest}
	offset := 0
	for i := range program.Code {
		ins := &program.Code[i]
		end := offset + int(ins.Size())
		p.Instructions = append(p.Instructions, listedInstruction{
			Offset: offset / asm.InstructionSize, Raw: hex.EncodeToString(raw[offset:end]), Label: ins.Symbol(),
			Mnemonic: ins.Mnemonic(), Comment: ins.Comment, Origin: ins.Origin,
		})
		offset = end
	}
	return p, nil
}
