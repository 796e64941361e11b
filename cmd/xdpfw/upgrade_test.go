package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// versionOne is the last commit that pins state of version 1.
const versionOne = "2d9ac45"

// What an older xdpfw loaded is shown, replaced, with its counters, and removed
// by this one.
func TestUpgrade(t *testing.T) {
	need(t, "processes")
	older := olderBinary(t) // which may want modules from the network: in front of the lab's namespace
	lab := newKillLab(t)
	lab.setUp()
	t.Log("pins as they were written then")
	lab.upgrade(lab.pinVersionOne)
	if older == "" { // a copy without history; the pins above are all that there is to test
		t.Logf("commit %s is not there to be built", versionOne)
		return
	}
	t.Log("loaded by its binary")
	lab.upgrade(func() { lab.run(older, 0, "load", "-i", labInterface, "--force", lab.first) })
	t.Log("back to its binary")
	lab.downgrade(older)
}

// run a binary that must exit so, and what it printed.
func (l *killLab) run(binary string, want int, arguments ...string) string {
	l.t.Helper()
	output, err := exec.Command(binary, arguments...).CombinedOutput()
	if status := exitStatus(l.t, err); status != want {
		l.t.Errorf("%s %s: exit status %d, want %d\n%s", filepath.Base(binary), strings.Join(arguments, " "), status, want, output)
	}
	return string(output)
}

func (l *killLab) says(text string, wants ...string) {
	l.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			l.t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

// counts waits until this binary says that the rule `a`, for port 7, has counted so much.
func (l *killLab) counts(n int) {
	l.t.Helper()
	text, want := "", fmt.Sprintf(`"name":"a","source":%%s"packets":%d,`, n)
	head, tail, _ := strings.Cut(want, "%s")
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text = l.run("xdpfw", 0, "stats", "-i", labInterface, "--json")
		if _, rest, ok := strings.Cut(text, head); ok && strings.Contains(strings.SplitN(rest, "}", 2)[0], tail) {
			return
		}
	}
	l.t.Errorf("the rule has not counted %d packets: %s", n, text)
}

// upgrade goes from what load puts on the interface, the first rules, to the
// second ones.
func (l *killLab) upgrade(load func()) {
	l.t.Helper()
	const before, after = 3, 2
	for _, replaced := range []bool{false, true} {
		load()
		l.sendFrames(7, before)
		l.counts(before)
		l.says(l.run("xdpfw", 0, "status", "--json"), `"ours":true`, `"version":1`, fmt.Sprintf(`"source":%q`, l.first), `"rules":1`, `"warnings":[]`)
		l.says(l.run("xdpfw", 0, "dump", "-i", labInterface), l.first, "; digest    sha256:")
		if replaced {
			l.says(l.run("xdpfw", 0, "load", "-i", labInterface, "--force", l.second), "replaced by "+l.second)
			l.sendFrames(7, after)
			l.counts(before + after)
			l.says(l.run("xdpfw", 0, "status", "--json"), `"version":2`, `"warnings":[]`)
		}
		l.run("xdpfw", 0, "unload", "-i", labInterface)
		if !l.nothingLeft() || l.active() != "" {
			l.t.Error("something is left")
		}
	}
}

// downgrade has the older binary look at, replace and remove what this one loaded.
func (l *killLab) downgrade(older string) {
	l.t.Helper()
	for _, replaced := range []bool{false, true} {
		l.load(l.first)
		const version = "its state has version 2, this one knows 1"
		l.says(l.run(older, 0, "status"), labInterface, version)
		l.says(l.run(older, 3, "stats", "-i", labInterface), version, "load the rules again")
		if replaced {
			l.says(l.run(older, 0, "load", "-i", labInterface, "--force", l.second), "replaced by "+l.second)
			l.says(l.run("xdpfw", 0, "status", "--json"), `"version":1`, fmt.Sprintf(`"source":%q`, l.second))
		}
		l.run(older, 0, "unload", "-i", labInterface)
		if !l.nothingLeft() || l.active() != "" {
			l.t.Error("something is left")
		}
	}
}

// olderBinary builds the commit of version 1; "" where there is no history.
func olderBinary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive, err := exec.Command("git", "-C", "../..", "archive", versionOne).Output()
	if err != nil {
		return ""
	}
	unpack := exec.Command("tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(archive)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "older"), "./cmd/xdpfw")
	build.Dir = dir
	for _, command := range []*exec.Cmd{unpack, build} {
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, output)
		}
	}
	return filepath.Join(dir, "older")
}

// pinVersionOne attaches the first rules and pins them as version 1 did.
func (l *killLab) pinVersionOne() {
	l.t.Helper()
	fatal := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	file, err := rules.ReadFile(l.first)
	fatal(err)
	set, diagnostics := rules.ParseAndCheck(file)
	fatal(diagnostics.Err())
	object, err := codegen.Compile(set, codegen.Options{Strategy: codegen.Chain})
	fatal(err)
	loaded, err := ebpf.NewCollection(object.CollectionSpec())
	fatal(err)
	defer loaded.Close()
	program := loaded.Programs[object.Programs[0].Name]
	info, err := program.Info()
	fatal(err)
	id, _ := info.ID()
	on, err := netlink.LinkByName(labInterface)
	fatal(err)
	held, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: on.Attrs().Index, Flags: link.XDPDriverMode})
	fatal(err)
	defer held.Close()
	state, err := ebpf.NewMap(stateVersionOne(object, string(file.Text)))
	fatal(err)
	defer state.Close()
	folder := filepath.Join(l.pins, fmt.Sprintf("4026531840-%d", on.Attrs().Index))
	generation := filepath.Join(folder, fmt.Sprint(id))
	fatal(os.MkdirAll(generation, 0o700))
	fatal(errors.Join(program.Pin(filepath.Join(generation, "program")), loaded.Maps[codegen.CounterMap].Pin(filepath.Join(generation, "counters")),
		state.Pin(filepath.Join(generation, "state")), held.Pin(filepath.Join(folder, "link"))))
}

// stateVersionOne is the map of the state as version 1 wrote it.
func stateVersionOne(object *codegen.Object, text string) *ebpf.MapSpec {
	counters := []any{}
	for _, c := range object.Counters {
		counters = append(counters, map[string]any{
			"rule": c.Rule, "key": c.Key, "name": c.Name, "source": c.Source, "line": c.Line, "text": c.Text, "verdict": c.Verdict.String(),
		})
	}
	body, err := json.Marshal(map[string]any{
		"source": object.Source, "digest": object.Digest, "loaded": "2026-11-25T19:37:58Z", "mode": "auto", "interface": labInterface,
		"rules": object.Rules, "strategy": object.Strategy, "target": object.Target.Kernel, "counting": object.Counting,
		"counters": counters, "text": text,
	})
	if err != nil {
		panic(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(body); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	value := append([]byte("xdpfw\x00st"), 0, 0, 0, 1)
	value = append(binary.BigEndian.AppendUint32(value, uint32(packed.Len())), packed.Bytes()...)
	return &ebpf.MapSpec{
		Name: "xdpfw_state", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(value)), MaxEntries: 1,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: value}},
	}
}
