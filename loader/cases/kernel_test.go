package cases_test

import (
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/cases"
	"xdpfw/rules"
)

// TestKernel: the compiled rule files decide every packet of the case files as
// written there, in the kernel. Frames that the kernel does not run (shorter
// than an Ethernet header) are the evaluator's alone.
func TestKernel(t *testing.T) {
	all, err := cases.Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			rs, found := rules.ParseAndCheck(c.Rules)
			if err := found.Err(); err != nil {
				t.Fatal(err)
			}
			obj, err := codegen.Compile(rs, codegen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			runner := newRunner(t, obj)
			for _, p := range c.Packets {
				d, err := runner.Run(p.Frame)
				if errors.Is(err, loader.ErrCannotRun) && len(p.Frame) < 14 {
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", p.What, err)
				}
				if err := p.Check(rs, d); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// newRunner loads the Object for the length of the test, or skips it with the
// reason where BPF cannot be used; with XDPFW_REQUIRE_BPF=1 that is a failure,
// as is an Object that the kernel refuses.
func newRunner(t *testing.T, obj *codegen.Object) *loader.Runner {
	t.Helper()
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		if os.Getenv("XDPFW_REQUIRE_BPF") == "1" {
			t.Fatalf("XDPFW_REQUIRE_BPF=1, but BPF cannot be used: %v", err)
		}
		t.Skipf("BPF cannot be used: %v", err)
	}
	runner, err := loader.NewRunner(obj)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runner.Close() })
	return runner
}
