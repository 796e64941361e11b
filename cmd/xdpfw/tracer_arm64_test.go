package main

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// skipCall makes the kernel pass over the system call that a thread entered.
func skipCall(thread int) error {
	number := binary.NativeEndian.AppendUint32(nil, ^uint32(0))
	vector := unix.Iovec{Base: &number[0], Len: uint64(len(number))}
	const systemCall = 0x404 // NT_ARM_SYSTEM_CALL
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(thread), systemCall, uintptr(unsafe.Pointer(&vector)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setResult is what a thread gets from the system call that was passed over.
func setResult(thread int, errno unix.Errno) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(thread, &regs); err != nil {
		return err
	}
	regs.Regs[0] = uint64(-int64(errno))
	return unix.PtraceSetRegs(thread, &regs)
}
