package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Sixty-four loads at a time, a thousand in all, on one interface: each of them
// comes to an end, the last one in the lock's order is active, and of all others
// nothing is left.
func TestCrowdOfLoads(t *testing.T) {
	lab := newKillLab(t)
	const crowd, rounds = 64, 16
	files := make([]string, crowd)
	for i := range files {
		files[i] = filepath.Join(filepath.Dir(lab.first), fmt.Sprintf("crowd%d.fw", i))
		if err := os.WriteFile(files[i], fmt.Appendf(nil, "default pass\ndrop frag\ndrop udp to port %d\n", 1+i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		commands := make([]*exec.Cmd, crowd)
		for i := range commands { // on this thread, which is in the interface's namespace
			commands[i] = exec.Command("xdpfw", "load", "-i", labInterface, "--force", files[i])
			var output strings.Builder
			commands[i].Stdout, commands[i].Stderr = &output, &output
			if err := commands[i].Start(); err != nil {
				t.Fatal(err)
			}
		}
		var wait sync.WaitGroup
		for _, command := range commands {
			wait.Go(func() {
				if err := command.Wait(); err != nil {
					t.Errorf("%v: %v", err, command.Stdout)
				}
			})
		}
		wait.Wait()
		if is := lab.active(); !slices.Contains(files, is) {
			t.Fatalf("%q is active", is)
		}
	}
	folders, err := filepath.Glob(filepath.Join(lab.pins, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) != 2 { // the link and one generation
		t.Errorf("pinned are %v", folders)
	}
	lab.must("unload", "-i", labInterface)
	if !lab.nothingLeft() {
		t.Error("something is left")
	}
}
