package loader

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A thousand times loaded and unloaded, every other time with a replace in
// between: no program, no map and no link of all of them is left in the kernel,
// no pin, no descriptor, and neither the process nor the kernel is larger than
// after a hundred times.
func TestThousandCycles(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	first, firstRules := compiled(t, "default pass\na: drop udp to port 7\n")
	second, secondRules := compiled(t, "default pass\nb: drop tcp to port 7\na: drop udp to port 7\n")
	var all []object
	var descriptors, pages, kernel int
	for n := range 1000 {
		mustLoad(t, first, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: firstRules})
		all = append(all, objectsOn(t, "in0")...)
		if n%2 == 1 {
			mustLoad(t, second, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: secondRules})
			all = append(all, objectsOn(t, "in0")...)
		}
		if err := Unload("in0"); err != nil {
			t.Fatal(err)
		}
		if n == 99 {
			descriptors, pages, kernel = openDescriptors(t), residentPages(t), kernelKiB(t)
		}
	}
	mustBeGone(t, all)
	if left := pinsUnder(t, os.Getenv(rootVar)); len(left) > 0 {
		t.Errorf("pins are left: %v", left)
	}
	if now := openDescriptors(t); now > descriptors {
		t.Errorf("%d descriptors are open, after a hundred cycles it were %d", now, descriptors)
	}
	const tolerated = 16 << 20
	if now := residentPages(t); (now-pages)*os.Getpagesize() > tolerated {
		t.Errorf("the process has %d pages of memory, after a hundred cycles it were %d", now, pages)
	}
	now := kernelKiB(t)
	for deadline := time.Now().Add(10 * time.Second); (now-kernel)<<10 > tolerated && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now = kernelKiB(t) // what is freed a grace period later
	}
	if (now-kernel)<<10 > tolerated {
		t.Errorf("the kernel has %d KiB of memory, after a hundred cycles it were %d", now, kernel)
	}
	t.Logf("%d kernel objects came and went; the kernel's memory went from %d to %d KiB", len(all), kernel, now)
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// residentPages of this process (proc_pid_statm(5)).
func residentPages(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// kernelKiB is the kernel's memory of the kinds that programs, maps and links
// are made of (proc_meminfo(5)).
func kernelKiB(t *testing.T) (sum int) {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "SUnreclaim", "VmallocUsed", "Percpu":
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum == 0 {
		t.Fatal("the kernel does not say how much memory it has")
	}
	return sum
}
