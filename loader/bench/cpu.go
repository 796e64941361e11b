package bench

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onOneCPU calls f with this thread held to one CPU: the last that it may use,
// since interrupts tend to go to the first.
func onOneCPU(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("ask for the CPUs of this thread: %w", err)
	}
	for cpu := range int(8 * unsafe.Sizeof(before)) {
		if before.IsSet(cpu) {
			one.Zero()
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("hold this thread to one CPU: %w", err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return f()
}
