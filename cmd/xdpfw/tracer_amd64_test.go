package main

import "golang.org/x/sys/unix"

// skipCall makes the kernel pass over the system call that a thread entered.
func skipCall(thread int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0)
	return unix.PtraceSetRegs(thread, &regs)
}

// setResult is what a thread gets from the system call that was passed over.
func setResult(thread int, errno unix.Errno) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Rax = uint64(-int64(errno))
	return unix.PtraceSetRegs(thread, &regs)
}
