package main

import (
	"os"
	"strings"
	"testing"
)

// unitLines are the values of a setting of the systemd unit.
func unitLines(t *testing.T, setting string) (values []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/systemd/xdpfw@.service")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), setting+"="); ok {
			values = append(values, value)
		}
	}
	if values == nil {
		t.Fatalf("the unit has no %s", setting)
	}
	return values
}

// What the unit runs are commands that there are: it loads, replaces and
// unloads.
func TestUnitCommands(t *testing.T) {
	lab := newKillLab(t)
	run := func(setting, file string) {
		t.Helper()
		command := strings.TrimPrefix(unitLines(t, setting)[0], "-")
		command = strings.NewReplacer("/etc/xdpfw/%I.fw", file, "%I", labInterface).Replace(command)
		words := strings.Fields(command)
		if words[0] != "/usr/local/sbin/xdpfw" {
			t.Fatalf("%s runs %s", setting, words[0])
		}
		lab.must(words[1:]...)
	}
	run("ExecStart", lab.first)
	if is := lab.active(); is != lab.first {
		t.Errorf("started, %q is active", is)
	}
	run("ExecReload", lab.second)
	if is := lab.active(); is != lab.second {
		t.Errorf("reloaded, %q is active", is)
	}
	run("ExecStop", "")
	if is := lab.active(); is != "" || !lab.nothingLeft() {
		t.Errorf("stopped, %q is active", is)
	}
	if got := unitLines(t, "CapabilityBoundingSet")[0]; got != "CAP_BPF CAP_NET_ADMIN CAP_PERFMON" {
		t.Errorf("the unit bounds capabilities to %s", got)
	}
}

// At boot the unit is of the transaction that brings the network up, in front of
// it, and waits for nothing that may wait for the network.
func TestUnitAtBoot(t *testing.T) {
	for setting, wanted := range map[string]string{
		"DefaultDependencies": "no", "Wants": "network-pre.target", "Before": "network-pre.target ifup@%i.service shutdown.target", "Conflicts": "shutdown.target",
		"WantedBy": "multi-user.target sys-subsystem-net-devices-%i.device", "BindsTo": "sys-subsystem-net-devices-%i.device",
		"StartLimitIntervalSec": "0",
	} {
		if got := unitLines(t, setting)[0]; got != wanted {
			t.Errorf("%s=%s, want %s", setting, got, wanted)
		}
	}
}
