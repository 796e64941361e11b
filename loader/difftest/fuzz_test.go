package difftest

import "testing"

// FuzzPair holds the engines against each other on any rule text and any
// frame: the reference and the IR always, the kernel where it can be used.
func FuzzPair(f *testing.F) {
	g := NewGenerator(defaultSeed, 100)
	for range 40 {
		file := g.RuleFile()
		for range 5 {
			frame, _ := g.Frame(file)
			f.Add(file.Text, frame)
		}
	}
	kernel := probeKernel()
	if kernel != nil {
		f.Logf("without the kernel: %v", kernel)
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		rs := read(text)
		if rs == nil {
			return
		}
		engines := []Engine{Reference(rs), IR(rs)}
		if kernel == nil {
			all, err := enginesFor(rs)
			if err != nil {
				t.Fatalf("cannot be compiled and loaded: %v", err)
			}
			engines = all
		}
		defer CloseAll(engines)
		if d := Compare(engines, frame); d != nil {
			t.Fatal(d)
		}
	})
}
