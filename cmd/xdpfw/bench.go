package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/cilium/ebpf"
	"github.com/urfave/cli/v2"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure what a rule file costs a packet",
		UsageText: "xdpfw bench [options] FILE\n       xdpfw bench FILE --pcap CAPTURE [--pcap CAPTURE]… [options]",
		Description: "The compiled program runs in the kernel (BPF_PROG_RUN, attached to nothing) on packets of which each differs\n" +
			"from the one before, 65,536 and more, in turns with three programs to compare it with: one that only drops,\n" +
			"one that only reads addresses, protocol and ports, and one look-up in a kernel hash map of 10,000 addresses.\n" +
			"It takes a few seconds.\n\n" +
			"Examples:\n   sudo xdpfw bench rules.fw\n   sudo xdpfw bench rules.fw --traffic worst\n   sudo xdpfw bench rules.fw --pcap web.pcap --json",
		Flags: withCompileFlags(
			choiceFlag("traffic", trafficUniform, "packets for `KIND` of the rules: uniform (each as often as any other), zipf (few of them often), "+
				"none (only the default, or a rule as general, matches) or worst (the last that decides packets)", trafficNames...),
			&cli.StringSliceFlag{Name: "pcap", Usage: "the packets of `CAPTURE`, in their order; may be given several times"},
			jsonFlag(),
		),
		Action: runBench,
	}
}

// A benchResult is what `bench --json` prints. Times are medians of the rounds,
// in nanoseconds a packet.
type benchResult struct {
	Program      float64    `json:"ns_per_packet"` // through the driver, as empty and parse
	Empty        float64    `json:"empty_ns"`
	Parse        float64    `json:"parse_ns"`
	Hash         float64    `json:"hash_ns"`     // over empty
	Overhead     float64    `json:"overhead_ns"` // of the program over empty
	Spread       [2]float64 `json:"spread"`      // the program's fastest and slowest round
	Packets      int        `json:"packets"`     // of the trace
	Instructions int        `json:"instructions"`
	MapBytes     uint64     `json:"map_bytes"`
}

func runBench(c *cli.Context) error {
	path, err := oneFile(c)
	if err != nil {
		return err
	}
	if c.IsSet("pcap") && c.IsSet("traffic") {
		return usagef("--traffic and --pcap contradict each other: the packets are those of one or of the other")
	}
	set, object, err := compileFile(c, path)
	if err != nil {
		return err
	}
	runner, err := loader.NewRunner(object)
	if err != nil {
		return err
	}
	defer runner.Close()
	packets, err := benchTraffic(c, set)
	if err != nil {
		return err
	}
	trace, err := bench.NewTrace(packets.frames)
	if err != nil {
		return err
	}
	if trace.Different() < bench.TraceLength/2 {
		fmt.Fprintf(c.App.ErrWriter, "note: of only %s a CPU learns by heart how the branches go: more of them would take longer each\n",
			count(trace.Different(), "different packet"))
	}
	results, err := measure(trace, runner)
	if err != nil {
		return err
	}
	decided, err := whoDecided(object, runner, results[programResult].Packets)
	if err != nil {
		return err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return &loader.Error{Doing: "count the CPUs", Why: err.Error(), Err: err}
	}
	empty, program := results[emptyResult], results[programResult]
	r := &benchResult{
		Program: program.Median(), Empty: empty.Median(), Parse: results[parseResult].Median(),
		Hash: results[hashResult].Over(empty), Overhead: program.Over(empty),
		Spread: [2]float64{program.Min(), program.Max()}, Packets: trace.Packets(),
		Instructions: instructionSlots(object), MapBytes: mapBytes(object, cpus),
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, r.rounded())
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%s: %s, strategy %s, %d instructions, %d bytes of maps\n",
		object.Source, count(object.Rules, "rule"), object.Strategy, r.Instructions, r.MapBytes)
	fmt.Fprintf(out, "%s, %d different%s\n\n", packets.title, trace.Different(), decided)
	r.print(out, results)
	return nil
}

// Where the results of measure are.
const (
	emptyResult = iota
	parseResult
	hashResult
	programResult
)

var resultTitles = [...]string{"empty program", "parsing alone", "hash look-up", "the rules"}

// measure the program and what it is compared with: in as many rounds as a few
// seconds hold, and not in fewer than three. The runner's counters say
// afterwards what became of the packets.
func measure(trace *bench.Trace, runner *loader.Runner) ([]bench.Result, error) {
	baselines, err := bench.NewBaselines()
	if err != nil {
		return nil, err
	}
	defer baselines.Close()
	subjects := append(baselines.Subjects(), bench.Subject{Name: resultTitles[programResult], Program: runner.Program()})
	return bench.RunFor(trace, subjects, 2*time.Second, 3, 31)
}

// whoDecided is read off the counters, which must have counted every packet;
// "" if there are none.
func whoDecided(object *codegen.Object, runner *loader.Runner, packets uint64) (string, error) {
	if len(object.Counters) == 0 {
		return "", nil
	}
	counters, err := runner.Counters()
	if err != nil {
		return "", err
	}
	var total, byDefault uint64
	byRule := map[int]bool{}
	for slot, counter := range object.Counters {
		n := counters[slot].Packets
		switch {
		case !counter.Verdict.Decides() || n == 0:
			continue
		case counter.Rule == rules.ByDefault:
			byDefault = n
		default:
			byRule[counter.Rule] = true
		}
		total += n
	}
	if total != packets {
		return "", fmt.Errorf("the rules counted %d of %d packets: please report this", total, packets)
	}
	share := fmt.Sprintf("%.1f %% by default", 100*float64(byDefault)/float64(packets))
	if byRule[codegen.AnyRule] { // counted by verdict
		return "; " + share, nil
	}
	return fmt.Sprintf("; decided by %s, %s", count(len(byRule), "rule"), share), nil
}

// rounded to what the measurement can tell.
func (r benchResult) rounded() benchResult {
	for _, ns := range []*float64{&r.Program, &r.Empty, &r.Parse, &r.Hash, &r.Overhead, &r.Spread[0], &r.Spread[1]} {
		*ns = math.Round(*ns*100) / 100
	}
	return r
}

// print the table for people.
func (r *benchResult) print(w io.Writer, results []bench.Result) {
	fmt.Fprintf(w, "ns a packet      median  fastest  slowest  over empty\n")
	for i, result := range results {
		fmt.Fprintf(w, "%-16s %6.1f %8.1f %8.1f", resultTitles[i], result.Median(), result.Min(), result.Max())
		if i != emptyResult {
			fmt.Fprintf(w, " %11.1f", result.Over(results[emptyResult]))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%s; the rules take %.2f of a hash look-up, and %.1f ns more than parsing\n",
		count(len(results[programResult].Rounds), "round"), r.Overhead/r.Hash, results[programResult].Over(results[parseResult]))
}
