package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"xdpfw/rules"
)

// Some refusals need a process that is worse off than the test: the test runs
// its own binary again, with childVar naming what becomes of it.
const childVar = "XDPFW_TEST_CHILD"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == testKeeper {
		keepTrial(os.Args[2], os.Args[3])
		return
	}
	switch role := os.Getenv(childVar); {
	case role == "":
		os.Exit(m.Run())
	case role == "weak keeper":
		keepCapabilities(nil)
		keepTrial("none", "0")
		return
	case role == "no bpf":
		answerENOSYS()
	case strings.HasPrefix(role, "only "):
		keepCapabilities(strings.Fields(role)[1:])
	}
	reportChild()
}

// reportChild loads a rule set on CHILD_INTERFACE (none: verifies it) and
// prints the error's parts.
func reportChild() {
	var err error
	if iface := os.Getenv("CHILD_INTERFACE"); iface != "" {
		_, err = Load(handMade("child.fw", rules.Pass), forced(Auto, iface))
	} else {
		_, err = Verify(handMade("child.fw", rules.Pass))
	}
	var refused *Error
	switch {
	case err == nil:
		fmt.Println("loaded")
	case errors.As(err, &refused):
		fmt.Printf("%s\n%s\n", refused.Error(), refused.Help)
	default:
		fmt.Printf("no *Error: %v\n", err)
	}
	os.Exit(0)
}

// answerENOSYS makes bpf(2) what it is on a kernel without it, by a seccomp
// filter on every thread.
func answerENOSYS() {
	const returnErrno, allow = 0x00050000, 0x7fff0000 // SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnErrno | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: allow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	const allThreads = 1 // SECCOMP_FILTER_FLAG_TSYNC
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, 1 /* SECCOMP_SET_MODE_FILTER */, allThreads, uintptr(unsafe.Pointer(&program))); errno != 0 {
		panic(errno)
	}
	runtime.KeepAlive(filter)
}

// keepCapabilities drops all capabilities but some, on every thread.
func keepCapabilities(names []string) {
	set := cap.NewSet()
	for _, name := range names {
		value, err := cap.FromName(strings.ToLower(name))
		if err != nil {
			panic(err)
		}
		for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
			if err := set.SetFlag(flag, true, value); err != nil {
				panic(err)
			}
		}
	}
	if err := set.SetProc(); err != nil {
		panic(err)
	}
}

// inChild runs the binary again and returns what reportChild printed.
func inChild(t *testing.T, role string, environ ...string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(environ, childVar+"="+role)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child %q: %v\n%s", role, err, out)
	}
	return string(out)
}

func TestKernelWithoutBPF(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	want := "this kernel has no BPF: bpf() answers ENOSYS (built without CONFIG_BPF_SYSCALL, or hidden by a seccomp filter)\n" +
		"in a container: allow the bpf system call"
	if out := inChild(t, "no bpf"); !strings.HasPrefix(out, "verify child.fw: "+want) {
		t.Errorf("verify: %s", out)
	}
	if out := inChild(t, "no bpf", "CHILD_INTERFACE=in0"); !strings.HasPrefix(out, "load child.fw: "+want) {
		t.Errorf("load: %s", out)
	}
}

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for role, want := range map[string]string{
		"only ": "load child.fw: not permitted: this process lacks CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON\n" +
			"run it as root (sudo), or grant CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON\n",
		"only cap_bpf":       "load child.fw: not permitted: this process lacks CAP_NET_ADMIN and CAP_PERFMON\n",
		"only cap_net_admin": "load child.fw: not permitted: this process lacks CAP_BPF and CAP_PERFMON\n",
	} {
		if out := inChild(t, role, "CHILD_INTERFACE=in0"); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %s\nwant %s", role, out, want)
		}
		if d, err := findDevice("test", "in0"); err != nil || d.attached || len(pinsUnder(t, rootPath())) > 0 {
			t.Errorf("%s: %+v, pins %v, %v", role, d, pinsUnder(t, rootPath()), err)
		}
	}
}

// The three capabilities are enough, first and again, where bpffs is mounted.
func TestCapabilitiesThatSuffice(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for range 2 {
		if out := inChild(t, "only cap_bpf cap_net_admin cap_perfmon", "CHILD_INTERFACE=in0"); out != "loaded\n" {
			t.Error(out)
		}
	}
	if list, err := ListStatus("in0"); err != nil || len(list) != 1 || !list[0].Ours {
		t.Errorf("%+v, %v", list, err)
	}
	// The length of a frame is a difference of packet pointers, which the
	// verifier lets only CAP_PERFMON see.
	want := "verify child.fw: not permitted: this process lacks CAP_PERFMON\nrun it as root (sudo), or grant CAP_PERFMON\n"
	if out := inChild(t, "only cap_bpf cap_net_admin"); out != want {
		t.Errorf("without CAP_PERFMON: %s\nwant %s", out, want)
	}
}
