// Package bench measures what a program costs a packet.
//
// A small driver program takes one different packet after the other out of a
// frozen map, writes it over the packet that BPF_PROG_RUN gave it and
// tail-calls the program under test, which is not changed for it. Programs that
// are compared run in turns, round by round, since the machine's speed changes
// by the second.
//
// It must not know how a program was made: any XDP program will do.
package bench

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/loader"
)

// passes over the trace are timed in a round; the fastest counts, since all
// that disturbs a pass makes it slower.
const passes = 3

// A Subject is a program to measure.
type Subject struct {
	Name    string
	Program *ebpf.Program // XDP, bound to no device; it may not change the packet
}

// A Result is what a subject took, through the driver: what the driver itself
// takes is in it, as in the result of an empty program.
type Result struct {
	Name    string
	Rounds  []float64 // ns a packet, in the order of the rounds
	Packets uint64    // that the program got, all rounds together
}

// Median of the rounds, in ns a packet.
func (r Result) Median() float64 { return median(r.Rounds) }

// Over is what the subject takes more than another of the same run, in ns a
// packet: the median of the differences of each round, since the machine may have
// been slower in some rounds than in others.
func (r Result) Over(other Result) float64 {
	differences := make([]float64, len(r.Rounds))
	for i := range differences {
		differences[i] = r.Rounds[i] - other.Rounds[i]
	}
	return median(differences)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

// Min is the fastest round, in ns a packet.
func (r Result) Min() float64 { return slices.Min(r.Rounds) }

// Max is the slowest round, in ns a packet.
func (r Result) Max() float64 { return slices.Max(r.Rounds) }

// Run takes the trace through every subject, in turns, for a number of rounds,
// at least one. Results are in the order of the subjects. A round hands a subject
// the whole trace several times, and the first packet once more; if a signal interrupts it,
// it begins anew. Errors of the kernel are *loader.Error.
func Run(t *Trace, subjects []Subject, rounds int) ([]Result, error) {
	results, err := run(t, driverCode(t), subjects, rounds)
	if err != nil {
		return nil, loader.Refusal("measure programs in the kernel", err)
	}
	return results, nil
}

func run(t *Trace, code asm.Instructions, subjects []Subject, rounds int) ([]Result, error) {
	trace, err := t.load()
	if err != nil {
		return nil, err
	}
	defer trace.Close()
	drivers := make([]*driver, len(subjects))
	results := make([]Result, len(subjects))
	for i, s := range subjects {
		if drivers[i], err = newDriver(code, trace, s.Program); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		defer drivers[i].Close()
		results[i].Name = s.Name
	}
	err = onOneCPU(func() error {
		for range rounds {
			for i, d := range drivers {
				ns, packets, err := d.run(t, passes)
				if err != nil {
					return fmt.Errorf("%s: %w", subjects[i].Name, err)
				}
				results[i].Rounds = append(results[i].Rounds, slices.Min(ns))
				results[i].Packets += packets
			}
		}
		return nil
	})
	return results, err
}
