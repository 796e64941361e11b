package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine describes what the figures were measured on, as a list of Markdown.
func machine() string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "- %s: %s\n", what, fmt.Sprintf(format, args...))
	}
	line("measured", "%s, %d CPUs: %s", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), cpuModel())
	line("kernel", "%s", output("uname", "-srm"))
	line("JIT", "net.core.bpf_jit_enable = %s, bpf_jit_harden = %s", contents("/proc/sys/net/core/bpf_jit_enable"), contents("/proc/sys/net/core/bpf_jit_harden"))
	var mitigations []string
	files, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*")
	for _, f := range files {
		if state := contents(f); state != "Not affected" {
			mitigations = append(mitigations, filepath.Base(f)+" ("+state+")")
		}
	}
	line("mitigations", "%s", strings.Join(mitigations, "; "))
	line("tools", "%s, %s; %s; %s; %s; %s", runtime.Version(), firstLine("clang", "--version"), firstLine("nft", "--version"),
		firstLine("iptables-legacy", "--version"), firstLine("ipset", "--version"), firstLine("dpkg-query", "-W", "xdp-tools"))
	return b.String()
}

func cpuModel() string {
	for l := range strings.Lines(contents("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func contents(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

func output(command string, args ...string) string {
	out, err := exec.Command(command, args...).Output()
	if err != nil {
		return "no " + command
	}
	return strings.TrimSpace(string(out))
}

func firstLine(command string, args ...string) string {
	first, _, _ := strings.Cut(output(command, args...), "\n")
	return first
}

// stolen is the time since boot that the hypervisor gave to others while a CPU
// wanted to run, and all the time of all CPUs, in ticks (proc_stat(5)).
func stolen() (steal, all float64) {
	first, _, _ := strings.Cut(contents("/proc/stat"), "\n")
	for i, field := range strings.Fields(first) {
		var ticks float64
		fmt.Sscan(field, &ticks)
		const stealField, lastField = 8, 8 // what follows is in others already
		if i >= 1 && i <= lastField {
			all += ticks
		}
		if i == stealField {
			steal = ticks
		}
	}
	return steal, all
}
