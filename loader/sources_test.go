package loader

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// keptRules are of several files, one of which is no UTF-8.
func keptRules(t *testing.T) (*codegen.Object, LoadOptions) {
	t.Helper()
	files := map[string]string{"etc/sub/common.fw": "ssh: drop tcp to port 22\n", "etc/spam.txt": "; caf\xe9\n192.0.2.0/24\n"}
	read := func(path string, _ int) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	rs, diagnostics := rules.ParseAndCheckWith(read, rules.NewFile("etc/main.fw",
		[]byte("include \"sub/common.fw\"\nset spam = file \"spam.txt\"\ndrop from @spam\ndrop udp on out0\n")))
	if err := diagnostics.Err(); err != nil {
		t.Fatal(err)
	}
	opts := forced(Auto, "in0")
	opts.Rules, opts.Options = rs, codegen.Options{Strategy: codegen.Chain, Counters: codegen.CountVerdicts, TableMemory: 1 << 20}
	obj, err := codegen.Compile(rs, opts.Options)
	if err != nil {
		t.Fatal(err)
	}
	return obj, opts
}

// Each interface of a load has the sources.
func TestSourcesOfSeveralInterfaces(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	obj, opts := keptRules(t)
	opts.Interfaces = []string{"in0", "in1", "out1"}
	mustLoad(t, obj, opts)
	for _, name := range opts.Interfaces {
		if l, err := ReadLoaded(name); err != nil || !l.Kept || len(l.Files) != len(opts.Rules.Files) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// What is loaded is kept whole, with the options, and an object whose rules are
// not known is kept itself.
func TestSourcesAreKept(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	obj, opts := keptRules(t)
	mustLoad(t, obj, opts)
	l, err := ReadLoaded("in0")
	if err != nil {
		t.Fatal(err)
	}
	if !l.Kept || l.Object != nil || len(l.Files) != len(opts.Rules.Files) || l.Options != opts.Options || l.Digest != obj.Digest || l.LoadedOn != "in0" {
		t.Errorf("kept is %+v", l)
	}
	for i, f := range opts.Rules.Files {
		if l.Files[i].Name != f.Name || !bytes.Equal(l.Files[i].Text, f.Text) {
			t.Errorf("file %d is %+v, want %s", i, l.Files[i], f.Name)
		}
	}
	out, err := findDevice("test", "out0")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(l.Interfaces) != fmt.Sprint([]NamedIndex{{"out0", out.index}}) {
		t.Errorf("interfaces %v", l.Interfaces)
	}
	other, err := codegen.Compile(opts.Rules, codegen.Options{Strategy: codegen.Chain})
	if err != nil {
		t.Fatal(err)
	}
	for o, want := range map[*codegen.Object]bool{obj: true, other: false} {
		if runs, err := l.Runs(o); err != nil || runs != want {
			t.Errorf("runs: %v, %v, want %v", runs, err, want)
		}
	}
	if made, err := l.Translation(); err != nil || len(made.Xlated) < len(obj.Programs[0].Code)/2 || len(made.Machine) == 0 {
		t.Errorf("as the kernel has it: %+v, %v", made, err)
	}

	beside, err := Translate(obj)
	if err != nil || len(beside.XlatedAt) != len(obj.Programs[0].Code) || len(beside.MachineAt) != len(obj.Programs[0].Code) {
		t.Fatalf("beside the program: %+v, %v", beside, err)
	}
	if last := len(beside.MachineAt) - 1; beside.MachineAt[1] <= 0 || beside.MachineAt[last] <= beside.MachineAt[1] || beside.MachineAt[last] >= len(beside.Machine) {
		t.Errorf("in the machine code instructions begin at %v of %d bytes", beside.MachineAt, len(beside.Machine))
	}

	opts.Rules = nil
	mustLoad(t, obj, opts)
	if l, err = ReadLoaded("in0"); err != nil || !l.Kept || len(l.Files) > 0 || l.Object == nil || l.Object.Digest != obj.Digest {
		t.Fatalf("kept is %+v, %v", l, err)
	}
	if runs, err := l.Runs(l.Object); err != nil || !runs {
		t.Errorf("the object that was kept does not run: %v", err)
	}
}

// What is too large is loaded without.
func TestSourcesTooLarge(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	obj, opts := keptRules(t)
	noise := make([]byte, sourcesLimit)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	opts.Rules.Files = append(opts.Rules.Files, rules.NewFile("noise", noise))
	done := mustLoad(t, obj, opts)
	if len(done[0].Warnings) != 1 || !strings.Contains(done[0].Warnings[0], "too large to be kept") {
		t.Errorf("warnings %q", done[0].Warnings)
	}
	if l, err := ReadLoaded("in0"); err != nil || l.Kept || l.Digest != obj.Digest {
		t.Errorf("kept is %+v, %v", l, err)
	}
	opts.Rules.Files[len(opts.Rules.Files)-1] = rules.NewFile("noise", noise[:sourcesLimit-1<<16])
	mustLoad(t, obj, opts)
	l, err := ReadLoaded("in0")
	if err != nil || !l.Kept || !bytes.Equal(l.Files[len(l.Files)-1].Text, noise[:sourcesLimit-1<<16]) {
		t.Errorf("what is not too large is not kept: %v", err)
	}
}
