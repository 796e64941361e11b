package main

import (
	"errors"
	"fmt"
	"math"
	"text/tabwriter"
	"time"

	"github.com/cilium/ebpf"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

func compileCommand() *cli.Command {
	return &cli.Command{
		Name:      "compile",
		Usage:     "compile a rule file, have the kernel verify the result, print a summary",
		UsageText: "xdpfw compile [options] FILE [-o OUT]",
		Description: "Nothing stays loaded. Without the capabilities that the verifier needs (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)\n" +
			"the rules are compiled all the same.\n\n" +
			"With -o the program is written to an object file, which dump and load take in place of the rules.\n\n" +
			"Examples:\n   sudo xdpfw compile rules.fw\n   xdpfw compile rules.fw -o rules.xo",
		Flags: withCompileFlags(
			choiceFlag("verify", "auto", "run the kernel's verifier: `WHEN` is auto (where it is permitted), always or never", "auto", "always", "never"),
			&cli.StringFlag{Name: "o", Usage: "write the program to the object file `OUT`"},
			jsonFlag(),
		),
		Action: compile,
	}
}

// A compileSummary is what `compile --json` prints.
type compileSummary struct {
	Rules        int            `json:"rules"`
	Strategy     string         `json:"strategy"` // of the kind of frame with the most rules
	Kinds        []kindSummary  `json:"kinds"`
	Counters     string         `json:"counters"`
	Target       string         `json:"target"`       // the oldest kernel it is for
	Instructions int            `json:"instructions"` // as the kernel counts them: eight bytes each
	MapBytes     uint64         `json:"map_bytes"`
	Verified     bool           `json:"verified"`
	Verifier     verifierStats  `json:"verifier"`
	Seconds      compileSeconds `json:"seconds"`
	WorstCase    int            `json:"worst_case_instructions"`
}

// A kindSummary is how the rules of one kind of frame were compiled.
type kindSummary struct {
	Kind       string  `json:"kind"`
	Rules      int     `json:"rules"`
	Strategy   string  `json:"strategy"`
	TableBytes int     `json:"table_bytes"`
	Expected   float64 `json:"expected_ns,omitempty"` // of a packet that meets the last rule
	Why        string  `json:"why"`
}

type verifierStats struct {
	Processed  int `json:"processed"`
	PeakStates int `json:"peak_states"`
}

type compileSeconds struct {
	Parse   float64 `json:"parse"`
	Compile float64 `json:"compile"`
	Verify  float64 `json:"verify"`
}

func compile(c *cli.Context) error {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	start := time.Now()
	set, err := readRules(c, path)
	if err != nil {
		return err
	}
	parsed := time.Now()
	object, err := compileRules(c, set)
	if err != nil {
		return err
	}
	compiled := time.Now()
	done := working(c, "the kernel verifies "+path)
	stats, unverified, err := verify(c.String("verify"), object)
	done()
	if err != nil {
		return err
	}
	verified := time.Now()
	if c.IsSet("o") { // only what the kernel has not refused
		if err := writeObject(c.String("o"), object); err != nil {
			return err
		}
	}

	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return &loader.Error{Doing: "count the CPUs", Why: err.Error(), Err: err}
	}
	summary := &compileSummary{
		Rules:        object.Rules,
		Strategy:     object.Strategy,
		Kinds:        []kindSummary{},
		Counters:     object.Counting,
		Target:       object.Target.Kernel,
		Instructions: instructionSlots(object),
		MapBytes:     mapBytes(object, cpus),
		Verified:     unverified == "",
		Verifier:     verifierStats{stats.Processed, stats.PeakStates},
		Seconds: compileSeconds{
			Parse:   parsed.Sub(start).Seconds(),
			Compile: compiled.Sub(parsed).Seconds(),
			Verify:  verified.Sub(compiled).Seconds(),
		},
		WorstCase: object.Programs[0].Longest,
	}
	for _, k := range object.Choices {
		expected := math.Round(10*k.Nanoseconds) / 10
		summary.Kinds = append(summary.Kinds, kindSummary{k.Kind, k.Rules, k.Strategy, k.TableBytes, expected, k.Why})
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, summary)
	}
	return summary.print(c, set, object, cpus, unverified)
}

// verify has the kernel verify the object as --verify says; unverified is why
// it did not, "" if it did.
func verify(when string, object *codegen.Object) (stats loader.VerifierStats, unverified string, err error) {
	if when == "never" {
		return stats, "not asked to", nil
	}
	stats, err = loader.Verify(object)
	if err != nil && when == "auto" && outOfReach(err) {
		return stats, err.Error(), nil
	}
	return stats, "", err
}

// outOfReach says of an error that BPF may not be used here, rather than that
// the kernel refused this very program.
func outOfReach(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, ebpf.ErrNotSupported)
}

// instructionSlots counts instructions as the kernel does: a 64-bit immediate
// load counts twice.
func instructionSlots(object *codegen.Object) int {
	slots := 0
	for i := range object.Programs {
		slots += object.Programs[i].Slots()
	}
	return slots
}

// mapBytes is the memory of all elements of all maps: values are padded to
// eight bytes, and per-CPU maps have one for each CPU that the machine can have
// (kernel/bpf/arraymap.c, array_map_alloc).
func mapBytes(object *codegen.Object, cpus int) uint64 {
	var total uint64
	for _, m := range object.Maps {
		value := uint64(m.Spec.ValueSize+7) &^ 7
		switch m.Spec.Type {
		case ebpf.PerCPUArray:
			value *= uint64(cpus)
		case ebpf.Array:
		default: // a hash or a trie also keeps its keys
			value += uint64(m.Spec.KeySize+7) &^ 7
		}
		total += value * uint64(m.Spec.MaxEntries)
	}
	return total
}

func (s *compileSummary) print(c *cli.Context, set *rules.RuleSet, object *codegen.Object, cpus int, unverified string) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n", object.Source)
	fmt.Fprintf(w, "  rules\t%d, default %v\n", s.Rules, set.Default)
	fmt.Fprintf(w, "  strategy\t%s\n", s.Strategy)
	for _, k := range s.Kinds {
		fmt.Fprintf(w, "    %s\t%s\n", k.Kind, k.Why)
	}
	fmt.Fprintf(w, "  instructions\t%d of 8 bytes, at most %d for a packet\n", s.Instructions, s.WorstCase)
	fmt.Fprintf(w, "  maps\t%d, %d bytes (%s)\n", len(object.Maps), s.MapBytes, count(cpus, "CPU"))
	if s.Verified {
		fmt.Fprintf(w, "  verifier\taccepted: %d instructions processed, %d states at the peak\n", s.Verifier.Processed, s.Verifier.PeakStates)
	} else {
		fmt.Fprintf(w, "  verifier\tnot verified: %s\n", unverified)
	}
	fmt.Fprintf(w, "  seconds\t%.3f parse, %.3f compile, %.3f verify\n", s.Seconds.Parse, s.Seconds.Compile, s.Seconds.Verify)
	return w.Flush()
}
