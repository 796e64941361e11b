package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tracer runs a command and looks at each system call that could change what
// is outside of the process. All states that a kill -9 can leave behind are
// those in front of one of them, since between two of them nothing outside
// changes.
//
// The calling goroutine must be locked to its thread.
type tracer struct {
	// inFront is called at the entry of such a call, its number from 1 on, and
	// says what becomes of it.
	inFront func(n int, call tracedCall) fate
}

// A fate of a system call.
type fate struct {
	kill bool       // the command is killed in front of it
	fail unix.Errno // it fails with this error, without having done anything
}

// A tracedCall is a system call that was entered.
type tracedCall struct {
	number uint64
	args   [6]uint64
}

// everyCall makes all system calls points, also those that change nothing
// outside, to see that it makes no difference. Most are the Go runtime's own,
// and of these each run makes another number.
var everyCall = flag.Bool("every-call", false, "kill in front of every system call")

func whichCalls() string {
	if *everyCall {
		return ""
	}
	return " that change something"
}

// changing are the system calls that change what others see: BPF objects, pins,
// folders, mounts, locks; and the start of another process. Threads, which are
// started when they are needed, do not count (those of cgo come by clone3).
var changing = map[uint64]string{
	unix.SYS_BPF: "bpf", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_RENAMEAT: "renameat",
	unix.SYS_MOUNT: "mount", unix.SYS_UMOUNT2: "umount2", unix.SYS_FLOCK: "flock", unix.SYS_CLONE: "clone",
	unix.SYS_LINKAT: "linkat", unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_EXIT_GROUP: "exit_group",
}

func (c tracedCall) changes() bool {
	if c.number == unix.SYS_CLONE {
		return c.args[0]&unix.CLONE_THREAD == 0
	}
	return changing[c.number] != ""
}

// isTestRun says whether it runs a frame through a program (BPF_PROG_TEST_RUN).
func (c tracedCall) isTestRun() bool {
	return c.number == unix.SYS_BPF && c.args[0] == unix.BPF_PROG_TEST_RUN
}

// points are the calls of a run that differ from those before: of the packets of
// the self-check, which differ in nothing, the first stands for all. The last
// call, exit_group, cannot fail.
type points struct {
	count int
	run   bool // the call before was one of those packets
}

func (p *points) isOne(c tracedCall) bool {
	again := p.run && c.isTestRun()
	p.run = c.isTestRun()
	if again || c.number == unix.SYS_EXIT_GROUP {
		return false
	}
	p.count++
	return true
}

func (c tracedCall) String() string {
	if c.number == unix.SYS_BPF {
		return fmt.Sprintf("bpf command %d", c.args[0])
	}
	if name := changing[c.number]; name != "" {
		return name
	}
	return fmt.Sprintf("system call %d", c.number)
}

// syscallInfo is struct ptrace_syscall_info (linux/ptrace.h) at an entry.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	call   tracedCall
}

const (
	ptraceGetSyscallInfo = 0x420e
	syscallInfoEntry     = 1
	syscallStop          = unix.SIGTRAP | 0x80 // of PTRACE_O_TRACESYSGOOD
)

// enteredCall is the system call that a stopped thread is about to make; false
// if it has made it.
func enteredCall(thread int) (tracedCall, bool) {
	info := syscallInfo{}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info.call, errno == 0 && info.op == syscallInfoEntry
}

// run the command to its end; an exit status other than 0 is an *exec.ExitError.
// Processes that it starts are not traced.
func (t *tracer) run(command *exec.Cmd) (killed bool, err error) {
	command.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := command.Start(); err != nil {
		return false, err
	}
	pid := command.Process.Pid
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil { // the stop behind execve
		return false, err
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return false, err
	}
	if err := unix.PtraceSyscall(pid, 0); err != nil {
		return false, err
	}
	count := 0
	failing := map[int]unix.Errno{} // threads in a call that shall fail
	for {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return killed, fmt.Errorf("wait for a traced process: %w", err)
		case thread == pid && (status.Exited() || status.Signaled()):
			if status.Exited() && status.ExitStatus() != 0 {
				err = fmt.Errorf("exit status %d", status.ExitStatus())
			}
			return killed, err
		case !status.Stopped():
			continue
		}
		deliver := 0
		switch signal := status.StopSignal(); {
		case signal == syscallStop:
			call, entered := enteredCall(thread)
			if !entered {
				if errno, found := failing[thread]; found {
					delete(failing, thread)
					if err := setResult(thread, errno); err != nil {
						return killed, err
					}
				}
				break
			}
			if killed || !call.changes() && !*everyCall {
				break
			}
			count++
			switch what := t.inFront(count, call); {
			case what.kill:
				killed = true
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					return killed, err
				}
				continue
			case what.fail != 0:
				failing[thread] = what.fail
				if err := skipCall(thread); err != nil {
					return killed, err
				}
			}
		case signal == unix.SIGTRAP || signal == unix.SIGSTOP && status.TrapCause() <= 0: // a new thread, and its first stop
		default:
			deliver = int(signal)
		}
		if err := unix.PtraceSyscall(thread, deliver); err != nil && !errors.Is(err, unix.ESRCH) {
			return killed, err
		}
	}
}

// traceable is a command whose output goes to a file, so that no goroutine
// waits for it.
func traceable(output *os.File, arguments ...string) *exec.Cmd {
	command := exec.Command("xdpfw", arguments...)
	command.Stdout, command.Stderr = output, output
	return command
}
