package difftest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"xdpfw/codegen"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

// XDPFW_PACKETS is how many packets of each kind run through each strategy.
// With 100,000 and more the rule sets are also as large as they are meant to
// be: ClassBench's of 10,000 rules, and generated ones of as many.
const (
	defaultPackets = 3000
	manyPackets    = 100_000
)

// kindsOfTraffic that each rule set meets.
var kindsOfTraffic = []workload.Kind{workload.Uniform, workload.NearBoundary, workload.Mixed, workload.NoMatch}

// A strategySet is a rule set that all strategies must agree on.
type strategySet struct {
	name       string
	text       func(t *testing.T) []byte
	strategies []string // nil: all
}

// strategySets are those of ClassBench, where they are to be had, and one of
// each shape.
func strategySets(many bool) (sets []strategySet) {
	sizes, rulesEach, hostileEach := []string{"1k"}, 300, 80 // of a block list a hundred times as many prefixes
	if many {
		sizes, rulesEach, hostileEach = []string{"1k", "10k"}, 10_000, 500
	}
	for _, size := range sizes {
		for _, family := range []string{"acl1", "fw1", "ipc1"} {
			sets = append(sets, strategySet{name: family + "_" + size, text: classBench(family + "_" + size)})
		}
	}
	text := func(text []byte) func(*testing.T) []byte { return func(*testing.T) []byte { return text } }
	sets = append(sets, strategySet{name: "founding", text: text([]byte(workload.Founding))},
		strategySet{name: "mixed16", text: text([]byte(workload.Mixed16))})
	add := func(s workload.Shape, n int) {
		sets = append(sets, strategySet{name: s.Name, text: func(t *testing.T) []byte { return s.Text(n, seed(t)) }})
	}
	for _, s := range workload.Shapes() {
		n := rulesEach
		if s.OneRule {
			n *= 100
		}
		add(s, n)
	}
	for _, s := range workload.HostileShapes() {
		add(s, hostileEach)
	}
	onlyAuto := []string{codegen.Auto} // more than a chain takes
	sets = append(sets,                // large enough for cells that name their boxes
		strategySet{"chain4_40k", func(t *testing.T) []byte { return workload.Chain(40_000, 4, seed(t)) }, onlyAuto})
	if many {
		sets = append(sets,
			strategySet{"acl4_100k", func(t *testing.T) []byte { return workload.ACL(100_000, 4, seed(t)) }, onlyAuto},
			strategySet{"firewall4_100k", func(t *testing.T) []byte { return workload.Firewall(100_000, 4, seed(t)) }, onlyAuto},
			strategySet{"chain4_100k", func(t *testing.T) []byte { return workload.Chain(100_000, 4, seed(t)) }, onlyAuto})
	}
	return sets
}

// classBench is a filter set as rules; without the files the test is skipped.
func classBench(name string) func(t *testing.T) []byte {
	return func(t *testing.T) []byte {
		f, err := os.Open(filepath.Join("../../../shared/data/classbench", name))
		if err != nil {
			t.Skipf("no ClassBench filter set: %v", err)
		}
		defer f.Close()
		text, _, err := workload.ClassBench(f)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// TestStrategiesAgree holds every strategy, in the kernel, against the reference
// evaluator: rule sets of all shapes, with packets within their rules, at the
// boundaries of these, mixed of several, and outside of all.
//
// What must become of a packet says workload.Index, which asks the reference
// evaluator of the rules that the packet's addresses leave over; of each
// hundredth packet the reference itself is asked, of all rules.
func TestStrategiesAgree(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	packets := int(fromEnvironment(t, "XDPFW_PACKETS", defaultPackets))
	for _, s := range strategySets(packets >= manyPackets) {
		t.Run(s.name, func(t *testing.T) {
			rs := mustRead(string(s.text(t)))
			expected := map[workload.Kind][]Expected{}
			for _, kind := range kindsOfTraffic {
				expected[kind] = expect(t, rs, kind, packets)
			}
			if s.strategies == nil {
				s.strategies = codegen.Strategies
			}
			had := map[[sha256.Size]byte]string{}
			for _, strategy := range s.strategies {
				t.Run(strategy, func(t *testing.T) { compareStrategy(t, rs, strategy, expected, had) })
			}
		})
	}
}

// expect makes packets of a kind, and finds out what must become of them. One
// in eight is roughened, so that it is not as plain as the others.
func expect(t *testing.T, rs *rules.RuleSet, kind workload.Kind, n int) []Expected {
	t.Helper()
	frames, err := workload.Trace(rs, kind, n, seed(t))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed(t), uint64(kind)))
	index := workload.NewIndex(rs)
	all := make([]Expected, len(frames))
	for i, frame := range frames {
		if i%8 == 0 {
			frame = roughen(r, frame)
		}
		all[i] = Expected{frame, index.Decide(frame)}
		if i%100 == 0 {
			if want := rs.Decide(rules.NewPacket(frame)); want != all[i].Decision {
				t.Fatalf("the index says %+v, the reference %+v of %x", all[i].Decision, want, frame)
			}
		}
	}
	return all
}

// compareStrategy compiles for a strategy and holds the program against what
// is expected. Rule sets that a strategy refuses for a stated limit are
// skipped; that auto refuses none is part of the test. So are programs that
// another strategy had.
func compareStrategy(t *testing.T, rs *rules.RuleSet, strategy string, expected map[workload.Kind][]Expected, had map[[sha256.Size]byte]string) {
	obj := compileFor(t, rs, strategy)
	program := digestOf(obj)
	if other, ok := had[program]; ok {
		t.Skipf("the same program as with strategy %s", other)
	}
	had[program] = strategy
	start := time.Now()
	tally, err := NewTally(obj)
	if err != nil {
		t.Fatal(err)
	}
	defer tally.Close()
	n := 0
	for _, kind := range kindsOfTraffic {
		d, err := tally.Compare(expected[kind])
		if err != nil {
			t.Fatalf("%v: %v", kind, err)
		}
		if d != nil {
			t.Errorf("%v: %v\n  %s\n  %s", kind, d, obj.Strategy, obj.Why)
		}
		n += len(expected[kind])
	}
	t.Logf("%s: %d packets over %d rules in %v, %d instructions", obj.Strategy, n, len(rs.Rules), time.Since(start).Round(time.Millisecond), obj.Programs[0].Slots())
}

// digestOf the instructions and the tables of an Object.
func digestOf(obj *codegen.Object) (digest [sha256.Size]byte) {
	h := sha256.New()
	for _, ins := range obj.Programs[0].Code {
		fmt.Fprintln(h, ins.OpCode, ins.Dst, ins.Src, ins.Offset, ins.Constant, ins.Reference())
	}
	for _, m := range obj.Maps {
		for _, content := range m.Spec.Contents {
			fmt.Fprintln(h, m.Spec.Name, content.Key)
			if value, ok := content.Value.([]byte); ok {
				h.Write(value)
			}
		}
	}
	h.Sum(digest[:0])
	return digest
}

func compileFor(t *testing.T, rs *rules.RuleSet, strategy string) *codegen.Object {
	t.Helper()
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy, TableMemory: 128 << 20})
	var limit *codegen.LimitError
	if errors.As(err, &limit) && strategy != codegen.Auto {
		t.Skipf("refused: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// The comparison finds what it is there for: a wrong verdict, a right verdict
// by the wrong rule, and two errors that would make up for each other in the
// sum of all counters.
func TestTallyFindsWrongRules(t *testing.T) {
	requireBPF(t)
	text := ""
	for port := range 8 {
		text += fmt.Sprintf("drop tcp to port %d\n", port+1)
	}
	rs := mustRead(text + "pass tcp to port 9\n")
	right := expect(t, rs, workload.Uniform, 1000)
	obj := compileFor(t, rs, codegen.Chain)
	tally, err := NewTally(obj)
	if err != nil {
		t.Fatal(err)
	}
	defer tally.Close()
	if d, err := tally.Compare(right); d != nil || err != nil {
		t.Fatalf("nothing is wrong, and yet: %v %v", d, err)
	}
	decidedBy := func(rule int) (i int) {
		for i = range right {
			if right[i].Rule == rule {
				return i
			}
		}
		t.Fatalf("no packet for rule %d", rule)
		return 0
	}
	first, second, last := decidedBy(2), decidedBy(3), decidedBy(8)
	for name, change := range map[string]func([]Expected){
		"a verdict":      func(e []Expected) { e[last].Decision = e[first].Decision },
		"a rule":         func(e []Expected) { e[first].Decision = e[second].Decision },
		"two exchanged":  func(e []Expected) { e[first].Decision, e[second].Decision = e[second].Decision, e[first].Decision },
		"the default":    func(e []Expected) { e[last].Decision = rules.Decision{Verdict: rules.Pass, Rule: rules.ByDefault} },
		"only a verdict": func(e []Expected) { e[first].Verdict = rules.Pass },
		"all of a rule": func(e []Expected) {
			for i := range e {
				if e[i].Rule == 5 {
					e[i].Rule = 6
				}
			}
		},
	} {
		wrong := append([]Expected{}, right...)
		change(wrong)
		if d, err := tally.Compare(wrong); d == nil || err != nil {
			t.Errorf("%s: not found (%v)", name, err)
		}
	}
	if _, err := NewTally(compileFor(t, mustRead("count udp\n"), codegen.Chain)); err == nil {
		t.Error("a rule that only counts is taken")
	}
}
