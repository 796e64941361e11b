package bench

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onOneCPU calls f with this thread held to one CPU: the last that it may use,
// since interrupts tend to go to the first. Other processes do not get the CPU
// before f is through, where the kernel permits that (CAP_SYS_NICE): what they
// take is not only time, but also what the caches had learned.
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
	if usual, err := unix.SchedGetAttr(0, 0); err == nil {
		defer unix.SchedSetAttr(0, usual, 0)
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	return f()
}
