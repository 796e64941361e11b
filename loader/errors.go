package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// An Error is a refusal by the kernel or the system: what was being done, why
// it was refused, and what would help. The command line exits 3 for it.
type Error struct {
	Doing string // "attach to eth0"
	Why   string // "another XDP program holds the interface: id 7, name xdp_pass"
	Help  string // "detach it first: ip link set dev eth0 xdp off", or ""
	Err   error  // the underlying error, or nil
}

// Error is one line, without Help: "Doing: Why".
func (e *Error) Error() string { return e.Doing + ": " + e.Why }

// Unwrap gives the underlying error, nil if there is none.
func (e *Error) Unwrap() error { return e.Err }

// refusal makes an *Error of any error met while doing something; one that is
// an *Error already keeps its own words.
func refusal(doing string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	e := &Error{Doing: doing, Why: oneLine(err), Err: err}
	explainErrno(e)
	return e
}

// oneLine is what an error says, of joined ones each once.
func oneLine(err error) string {
	var said []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// Refusal is the *Error for what the kernel or the system refused a package below this
// one: what was being done, and why not.
func Refusal(doing string, err error) error { return refusal(doing, err) }

// explainErrno replaces Why and Help where the error number has one meaning
// for every bpf(2) command.
func explainErrno(e *Error) {
	var path *fs.PathError
	var pin *pinError
	var strange *strangePin
	switch {
	case errors.As(e.Err, &strange):
		e.Why = strange.Error()
	case errors.As(e.Err, &pin) && errors.Is(pin.err, unix.ENOENT):
		e.Why = fmt.Sprintf("the pin %s is missing: somebody removed it", pin.path)
		e.Help = "load the rules again: those on the interface go on filtering, what they counted is lost with that pin"
	case errors.As(e.Err, &pin) && errors.Is(pin.err, unix.EACCES):
		e.Why = fmt.Sprintf("not permitted: the pin %s is not open to this user: somebody else loaded the rules there", pin.path)
		e.Help = "run it as who loaded them, or as root (sudo)"
	case errors.Is(e.Err, unix.ENOSYS):
		e.Why = "this kernel has no BPF: bpf() answers ENOSYS (built without CONFIG_BPF_SYSCALL, or hidden by a seccomp filter)"
		e.Help = "in a container: allow the bpf system call in its seccomp profile; otherwise use a kernel with CONFIG_BPF_SYSCALL"
	case errors.Is(e.Err, unix.EPERM):
		explainPermission(e)
	case errors.As(e.Err, &path) && errors.Is(e.Err, unix.EACCES) && strings.HasPrefix(path.Path, rootPath()):
		e.Why = fmt.Sprintf("not permitted: %s is not open to this user", path.Path)
		e.Help = "run it as root (sudo), or name a folder in a bpffs that is open to you in XDPFW_BPFFS"
	case errors.Is(e.Err, unix.EROFS):
		e.Help = "mount the bpffs read-write (mount -o remount,rw " + mountPoint(rootPath()) + "), or name a folder in another one in " + rootVar
	case errors.Is(e.Err, unix.EMFILE):
		e.Why = "this process has as many files open as it may"
		e.Help = "raise the limit: ulimit -n"
	case errors.Is(e.Err, unix.ENOMEM):
		e.Why = "the kernel has not enough memory for the program and its maps"
		e.Help = "raise the memory limit of this control group, or make the rule set smaller"
	}
}

// explainPermission says which capability is missing for an EPERM.
func explainPermission(e *Error) {
	missing := missingCapabilities()
	if len(missing) > 0 {
		e.Why = "not permitted: this process lacks " + strings.Join(missing, " and ")
		e.Help = "run it as root (sudo), or grant " + strings.Join(missing, ", ")
		return
	}
	if inUserNamespace() {
		e.Why = "not permitted: the capabilities hold in a user namespace only, BPF asks for those of the initial one"
		e.Help = "run it outside of the container, or in a privileged one"
		return
	}
	e.Why = "not permitted, although the needed capabilities are there: kernel lockdown, a security module, a seccomp filter " +
		"or the locked memory limit forbids it"
	e.Help = "look into the kernel's log (dmesg); on kernels before 5.11 raise `ulimit -l`"
}

// Limits of the kernel's verifier (include/linux/bpf_verifier.h, kernel/bpf/verifier.c).
const (
	verifierInstructionLimit = 1_000_000 // BPF_COMPLEXITY_LIMIT_INSNS
	verifierJumpLimit        = 8192      // BPF_COMPLEXITY_LIMIT_JMP_SEQ
)

const smallerHelp = "make the rule set smaller: fewer rules, or values gathered in lists (`{ … }`, `set`)"

// explainVerifier makes an *Error of what the kernel said to BPF_PROG_LOAD of
// one program of the Object. doing is as in Error.
func explainVerifier(doing string, obj *codegen.Object, program string, err error) error {
	e := &Error{Doing: doing, Why: err.Error(), Err: err}
	var verifier *ebpf.VerifierError
	if !errors.As(err, &verifier) {
		verifier = &ebpf.VerifierError{}
	}
	last := lastWords(verifier.Log)
	switch {
	// Up to 6.18 a program with too many pending branches ends in EFAULT, and
	// cilium/ebpf drops the log of that.
	case errors.Is(err, unix.EFAULT), strings.Contains(last, "jumps is too complex"):
		e.Why = fmt.Sprintf("the program has more than %d branches pending at once, more than the kernel's verifier follows", verifierJumpLimit)
		e.Help = smallerHelp
	case strings.Contains(last, "BPF program is too large"):
		e.Why = fmt.Sprintf("the kernel's verifier gave up after %d instructions, which is its limit", verifierInstructionLimit)
		e.Help = smallerHelp
	case errors.Is(err, unix.E2BIG):
		e.Why = "the program has more instructions than this kernel takes (E2BIG: 1,000,000, or 4096 without CAP_BPF)"
		e.Help = smallerHelp
	case errors.Is(err, unix.EPERM) && last == "", errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOMEM):
		explainErrno(e)
	case last != "":
		e.Why = "the kernel's verifier refuses " + placeOf(obj, program, verifier.Log) + ": " + last
		e.Help = "the rules are not to blame: please report this, with the output of `xdpfw dump`"
	}
	return e
}

// lastWords is the end of a verifier log that says why, at most three lines
// joined, without the closing statistics.
func lastWords(log []string) string {
	for len(log) > 0 {
		last := log[len(log)-1]
		if !statisticsLine.MatchString(last) {
			break
		}
		log = log[:len(log)-1]
	}
	return strings.Join(trimAll(log[max(0, len(log)-3):]), "; ")
}

func trimAll(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// What the verifier prints besides its verdict (kernel/bpf/verifier.c,
// print_verification_stats), and how it names an instruction: in its trace
// ("12: (85) call …") and in messages ("unreachable insn 12").
var (
	statisticsLine = regexp.MustCompile(`^(processed \d+ insns|stack depth|verification time|mark_precise:)`)
	traceLine      = regexp.MustCompile(`^(\d+): \(`)
	namedInsn      = regexp.MustCompile(`\binsn (\d+)`)
)

// placeOf says in words where the verifier stopped: the rule that the failing
// instruction serves, or else the program.
func placeOf(obj *codegen.Object, program string, log []string) string {
	raw, ok := failingInstruction(log)
	if !ok {
		return "program " + program
	}
	in := instructionAt(obj, program, raw)
	if in == nil {
		return fmt.Sprintf("instruction %d of program %s", raw, program)
	}
	place := fmt.Sprintf("instruction %d of program %s (%v)", raw, program, in.Instruction)
	if in.Origin < 0 || in.Origin >= len(obj.Origins) {
		return place
	}
	origin := obj.Origins[in.Origin]
	if origin.Position.Line == 0 {
		return fmt.Sprintf("%s, which serves %s", place, origin.Text)
	}
	return fmt.Sprintf("%s, which serves the rule at %s:%d, %q", place, origin.Position.File, origin.Position.Line, origin.Text)
}

// failingInstruction finds the last instruction that the log names, counted in
// eight-byte slots.
func failingInstruction(log []string) (int, bool) {
	for i := len(log) - 1; i >= 0; i-- {
		if statisticsLine.MatchString(log[i]) {
			continue
		}
		for _, rx := range []*regexp.Regexp{namedInsn, traceLine} {
			if m := rx.FindStringSubmatch(log[i]); m != nil {
				n, err := strconv.Atoi(m[1])
				return n, err == nil
			}
		}
	}
	return 0, false
}

// instructionAt is the instruction at an offset in eight-byte slots: a 64-bit
// immediate load fills two.
func instructionAt(obj *codegen.Object, program string, slot int) *codegen.Instruction {
	for p := range obj.Programs {
		if obj.Programs[p].Name != program {
			continue
		}
		at := 0
		for i := range obj.Programs[p].Code {
			in := &obj.Programs[p].Code[i]
			size := codegen.SlotsOf(in.Instruction)
			if slot < at+size {
				return in
			}
			at += size
		}
	}
	return nil
}
