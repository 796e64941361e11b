package main

import (
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An importRule says what the code of one package (tests apart) may import.
// A pattern that ends in "/..." stands for a path and everything below it.
type importRule struct {
	pkg     string
	may     []string // besides the standard library
	mayNot  []string // of the standard library
	because string
}

// systemCalls are the ways of the standard library into the kernel and the
// network: what has none of them is a pure function of its arguments.
var systemCalls = []string{"syscall", "os/...", "net", "net/http", "net/rpc", "plugin", "runtime/cgo", "unsafe"}

// importRules hold for every package of the module. Imports run one way,
//
//	cmd ──▶ loader ──▶ codegen ──▶ { codegen/ir, codegen/classify, rules }
//
// and a package without a rule is an error, so that a new one gets its line.
var importRules = []importRule{
	{
		pkg:     "xdpfw/rules",
		may:     []string{"go4.org/netipx"},
		mayNot:  []string{"syscall", "os/exec", "net", "net/http", "unsafe"},
		because: "the language must not know how it is compiled or loaded, and calls nothing but what reads files",
	},
	{
		pkg:     "xdpfw/codegen/ir",
		may:     []string{"xdpfw/rules"},
		mayNot:  systemCalls,
		because: "decisions are taken apart from instructions: the IR knows no eBPF",
	},
	{
		pkg:     "xdpfw/codegen/reach",
		may:     []string{"xdpfw/rules", "xdpfw/codegen/ir"},
		mayNot:  systemCalls,
		because: "which rules are reached is a question about decisions: it knows no instruction, and not how it is reported",
	},
	{
		pkg:     "xdpfw/codegen/classify",
		may:     []string{"xdpfw/rules", "xdpfw/codegen/ir"},
		mayNot:  systemCalls,
		because: "tables and strategies are pure data structures: they know no instruction",
	},
	{
		pkg:     "xdpfw/codegen",
		may:     []string{"xdpfw/rules", "xdpfw/codegen/...", "github.com/cilium/ebpf", "github.com/cilium/ebpf/asm", "github.com/cilium/ebpf/btf"},
		mayNot:  systemCalls,
		because: "an Object is a pure function of the text: the compiler probes, opens and loads nothing",
	},
	{
		pkg:     "xdpfw/codegen/trace",
		may:     []string{"xdpfw/rules", "xdpfw/codegen", "github.com/cilium/ebpf/asm"},
		mayNot:  systemCalls,
		because: "a program is followed without a kernel",
	},
	{
		pkg: "xdpfw/loader",
		may: []string{
			"xdpfw/rules", "xdpfw/codegen", "xdpfw/loader/frames", "xdpfw/loader/workload", "github.com/cilium/ebpf/...", "golang.org/x/sys/unix",
			"github.com/vishvananda/netlink/...", "github.com/safchain/ethtool",
		},
		because: "the loader takes an Object to the kernel: it sees neither the command nor the compiler's inside",
	},
	{
		pkg:     "xdpfw/loader/frames",
		may:     []string{"github.com/gopacket/gopacket", "github.com/gopacket/gopacket/layers"},
		mayNot:  []string{"syscall", "os/...", "unsafe"},
		because: "frames are built from bytes up: what judges them must not build them",
	},
	{
		pkg:     "xdpfw/loader/bench",
		may:     []string{"xdpfw/loader", "github.com/cilium/ebpf/...", "golang.org/x/sys/unix"},
		mayNot:  []string{"os/exec", "net"},
		because: "it measures any XDP program: it knows neither rules nor the compiler",
	},
	{
		pkg:     "xdpfw/loader/workload",
		may:     []string{"xdpfw/rules", "xdpfw/loader/frames"},
		mayNot:  []string{"syscall", "os/...", "unsafe"},
		because: "rule sets and traffic are a pure function of a seed, and know nothing of what compiles and runs them",
	},
	{
		pkg:     "xdpfw/loader/difftest",
		may:     []string{"xdpfw/rules", "xdpfw/codegen", "xdpfw/codegen/ir", "xdpfw/codegen/trace", "xdpfw/loader"},
		mayNot:  []string{"syscall", "os/exec", "unsafe"},
		because: "it holds the engines against each other, with frames that share no code with any of them; for tests only",
	},
	{
		pkg:     "xdpfw/loader/cases",
		may:     []string{"xdpfw/rules", "github.com/rogpeppe/go-internal/txtar"},
		mayNot:  []string{"syscall", "os/exec", "unsafe"},
		because: "it reads case files and knows no engine; for tests only",
	},
	{
		pkg:     "xdpfw/loader/oracle",
		because: "it has tests only, which hold the engines against tcpdump and nft",
	},
	{
		pkg: "xdpfw/cmd/xdpfw",
		may: []string{
			"golang.org/x/arch/x86/x86asm", "xdpfw/rules", "xdpfw/codegen", "xdpfw/codegen/reach", "xdpfw/codegen/trace", "xdpfw/loader", "xdpfw/loader/frames", "xdpfw/loader/bench", "xdpfw/loader/workload",
			"github.com/urfave/cli/v2", "github.com/cilium/ebpf", "github.com/cilium/ebpf/asm", "github.com/gopacket/gopacket/...",
			"github.com/rogpeppe/go-internal/diff",
			"github.com/prometheus/client_golang/prometheus/...", "github.com/gdamore/tcell/v2",
			"github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys/unix",
		},
		because: "nothing but arguments, calls and printing: not the compiler's inside, and nothing that is for tests",
	},
}

func TestImportRule(t *testing.T) {
	packages := modulePackages(t)
	if len(packages) < 5 {
		t.Fatalf("found only %d packages: %v", len(packages), packages)
	}
	for _, pkg := range packages {
		for _, complaint := range importComplaints(pkg.ImportPath, pkg.Imports) {
			t.Error(complaint)
		}
	}
}

// The rule itself is tested on violations.
func TestImportRuleFindsViolations(t *testing.T) {
	for _, violation := range []struct{ pkg, imports string }{
		{"xdpfw/rules", "xdpfw/codegen"},
		{"xdpfw/rules", "github.com/cilium/ebpf"},
		{"xdpfw/rules", "syscall"},
		{"xdpfw/codegen", "xdpfw/loader"},
		{"xdpfw/codegen", "golang.org/x/sys/unix"},
		{"xdpfw/codegen", "os/exec"},
		{"xdpfw/codegen", "github.com/cilium/ebpf/link"},
		{"xdpfw/codegen/ir", "xdpfw/codegen"},
		{"xdpfw/codegen/ir", "github.com/cilium/ebpf/asm"},
		{"xdpfw/loader", "xdpfw/codegen/ir"},
		{"xdpfw/loader", "xdpfw/cmd/xdpfw"},
		{"xdpfw/cmd/xdpfw", "xdpfw/codegen/ir"},
		{"xdpfw/cmd/xdpfw", "xdpfw/loader/difftest"},
		{"xdpfw/helpers", "fmt"},
	} {
		if importComplaints(violation.pkg, []string{violation.imports}) == nil {
			t.Errorf("%s may import %s, by the rules", violation.pkg, violation.imports)
		}
	}
	if complaints := importComplaints("xdpfw/codegen", []string{"fmt", "xdpfw/rules", "github.com/cilium/ebpf/asm"}); complaints != nil {
		t.Errorf("a package within the rules is complained about: %q", complaints)
	}
}

// importComplaints is what the rules have against a package's imports.
func importComplaints(pkg string, imports []string) []string {
	at := slices.IndexFunc(importRules, func(r importRule) bool { return importMatches(r.pkg, pkg) })
	if at < 0 {
		return []string{fmt.Sprintf("%s has no import rule: give it a line in importRules", pkg)}
	}
	rule := importRules[at]
	var complaints []string
	for _, imported := range imports {
		matches := func(pattern string) bool { return importMatches(pattern, imported) }
		if isStandard(imported) && !slices.ContainsFunc(rule.mayNot, matches) || slices.ContainsFunc(rule.may, matches) {
			continue
		}
		complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", pkg, imported, rule.because))
	}
	return complaints
}

func importMatches(pattern, imported string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return imported == below || strings.HasPrefix(imported, below+"/")
	}
	return imported == pattern
}

// isStandard: paths of the standard library have no dot in their first
// element, and neither has this module's.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && first != "xdpfw"
}

// modulePackages is every package of the module that holds Go code.
func modulePackages(t *testing.T) []*build.Package {
	t.Helper()
	const root = "../.."
	var packages []*build.Package
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if name := entry.Name(); dir != root && strings.HasPrefix(name, ".") || name == "testdata" {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && dir != root {
			return fs.SkipDir // another module
		}
		pkg, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		}
		relative, _ := filepath.Rel(root, dir)
		pkg.ImportPath = path.Join("xdpfw", filepath.ToSlash(relative))
		packages = append(packages, pkg)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}
