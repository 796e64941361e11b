package loader

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
)

// VerifierStats is what the kernel's verifier says of an accepted program.
type VerifierStats struct {
	Processed  int // instructions processed, all paths counted
	PeakStates int
}

// Verify runs the kernel's verifier over every program of the Object and
// unloads it again. A refusal is an *Error that names the rule. Of several
// programs the instructions are summed, and the highest peak counts.
func Verify(obj *codegen.Object) (VerifierStats, error) {
	img, err := loadImage("verify "+obj.Source, obj, madeUp(obj, ""))
	if err != nil {
		return VerifierStats{}, err
	}
	defer img.Close()
	return img.verifier, nil
}

// An image is the programs and maps of an Object in the kernel.
type image struct {
	*ebpf.Collection
	entry    *ebpf.Program
	counters *ebpf.Map
	verifier VerifierStats
}

// loadImage takes the Object through the verifier. Frozen maps are read-only
// to programs and to everyone else before the verifier sees them, so that it
// may take their contents for constants. indexes are those of Object.Interfaces.
func loadImage(doing string, obj *codegen.Object, indexes []int) (*image, error) {
	if len(obj.Programs) == 0 {
		return nil, &Error{Doing: doing, Why: "the object holds no program"}
	}
	// Asked first, since cilium/ebpf takes ENOSYS for the lack of whatever
	// feature it tried.
	if errno := callBPF(); errno == unix.ENOSYS {
		return nil, refusal(doing, errno)
	}
	if err := fitsKernel(doing, obj.Target); err != nil {
		return nil, err
	}
	// Needed before 5.11 only, and where it fails the load itself says so.
	_ = rlimit.RemoveMemlock()

	spec := obj.CollectionSpec()
	setInterfaces(spec, indexes)
	frozen, err := createFrozen(obj, spec)
	defer func() {
		for _, m := range frozen {
			m.Close() // the collection holds duplicates
		}
	}()
	if err != nil {
		return nil, refusal(doing, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: frozen,
		Programs:        ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
	})
	if err != nil {
		return nil, explainLoad(doing, obj, frozen, err)
	}
	img := &image{Collection: coll, entry: coll.Programs[obj.Programs[0].Name], counters: coll.Maps[codegen.CounterMap]}
	for _, p := range coll.Programs {
		stats := parseVerifierStats(p.VerifierLog)
		img.verifier.Processed += stats.Processed
		img.verifier.PeakStates = max(img.verifier.PeakStates, stats.PeakStates)
	}
	return img, nil
}

// fitsKernel refuses a program that is for later kernels than the running one.
func fitsKernel(doing string, target codegen.Target) error {
	major, minor, err := kernelVersion()
	if err != nil {
		return refusal(doing, fmt.Errorf("find out the version of the kernel: %w", err))
	}
	if target.Includes(major, minor) {
		return nil
	}
	return &Error{
		Doing: doing,
		Why:   fmt.Sprintf("it is compiled for Linux %s and later, and this is Linux %d.%d", target.Kernel, major, minor),
		Help:  fmt.Sprintf("compile it for this kernel: --target %d.%d", major, minor), Err: ebpf.ErrNotSupported,
	}
}

// kernelVersion is what uname(2) says: cilium/ebpf reads it from the process's
// memory, which is closed to a process that got its capabilities from its file.
func kernelVersion() (major, minor int, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return 0, 0, err
	}
	release := unix.ByteSliceToString(name.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0, fmt.Errorf("the release is %q", release)
	}
	return major, minor, nil
}

// callBPF asks bpf(2) for nothing: ENOSYS if there is no such call, any other
// error if there is.
func callBPF() unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_MAP_LOOKUP_ELEM, 0, 0)
	return errno
}

// createFrozen makes the maps of Lifetime Frozen: cilium/ebpf freezes none but
// those named .rodata or .kconfig (map.go, finalize).
func createFrozen(obj *codegen.Object, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	frozen := make(map[string]*ebpf.Map)
	for _, m := range obj.Maps {
		if m.Lifetime != codegen.Frozen {
			continue
		}
		ms := spec.Maps[m.Spec.Name]
		ms.Flags |= unix.BPF_F_RDONLY_PROG
		created, err := ebpf.NewMap(ms)
		if err != nil {
			return frozen, explainMap(ms, err)
		}
		frozen[ms.Name] = created
		if err := created.Freeze(); err != nil {
			return frozen, fmt.Errorf("freeze the map %s: %w", ms.Name, err)
		}
	}
	return frozen, nil
}

// oldValueSize is how many bytes one element of an array has at most before
// Linux 6.1 (KMALLOC_MAX_SIZE in kernel/bpf/arraymap.c, array_map_alloc_check).
const oldValueSize = 4 << 20

// explainMap says why the kernel does not make a map.
func explainMap(spec *ebpf.MapSpec, err error) error {
	if errors.Is(err, unix.E2BIG) && spec.ValueSize > oldValueSize {
		return &Error{
			Doing: "create the map " + spec.Name,
			Why:   fmt.Sprintf("its tables take %d KiB, and kernels before 6.1 take at most %d KiB in one map", spec.ValueSize>>10, oldValueSize>>10),
			Help:  "compile with --table-memory 4MiB, or use a kernel of 6.1 or later", Err: err,
		}
	}
	return fmt.Errorf("create the map %s: %w", spec.Name, err)
}

// explainLoad makes an *Error of a collection that the kernel refused. Where
// the verifier did not name the instruction it asks it once more, for its
// trace.
func explainLoad(doing string, obj *codegen.Object, frozen map[string]*ebpf.Map, err error) error {
	// Without CAP_PERFMON the verifier forbids the difference of packet
	// pointers, and says so of an instruction: no fault of the program. And
	// cilium/ebpf takes it for an old kernel if it may not load BTF.
	if (errors.Is(err, unix.EACCES) || errors.Is(err, ebpf.ErrNotSupported)) && len(missingCapabilities()) > 0 {
		return refusal(doing, fmt.Errorf("%w: %w", unix.EPERM, err))
	}
	program := ""
	for _, p := range obj.Programs {
		if strings.HasPrefix(err.Error(), "program "+p.Name+":") {
			program = p.Name
		}
	}
	if program == "" { // a map
		return refusal(doing, err)
	}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) && wantsTrace(verifier.Log) {
		coll, traced := ebpf.NewCollectionWithOptions(withFrozenFlags(obj), ebpf.CollectionOptions{
			MapReplacements: frozen,
			Programs:        ebpf.ProgramOptions{LogLevel: ebpf.LogLevelBranch},
		})
		if traced == nil {
			coll.Close()
		} else {
			err = traced
		}
	}
	return explainVerifier(doing, obj, program, err)
}

// wantsTrace says whether a trace would tell more: not for limits, whose trace
// is a million lines long and names no culprit.
func wantsTrace(log []string) bool {
	last := lastWords(log)
	if last == "" || strings.Contains(last, "too large") || strings.Contains(last, "too complex") {
		return false
	}
	_, named := failingInstruction(log)
	return !named
}

// withFrozenFlags is the Object's collection with the flags of createFrozen.
func withFrozenFlags(obj *codegen.Object) *ebpf.CollectionSpec {
	spec := obj.CollectionSpec()
	for _, m := range obj.Maps {
		if m.Lifetime == codegen.Frozen {
			spec.Maps[m.Spec.Name].Flags |= unix.BPF_F_RDONLY_PROG
		}
	}
	return spec
}

// processedLine is the end of every verifier log (kernel/bpf/verifier.c,
// print_verification_stats).
var processedLine = regexp.MustCompile(`processed (\d+) insns .*peak_states (\d+)`)

func parseVerifierStats(log string) VerifierStats {
	m := processedLine.FindStringSubmatch(log)
	if m == nil {
		return VerifierStats{}
	}
	processed, _ := strconv.Atoi(m[1])
	peak, _ := strconv.Atoi(m[2])
	return VerifierStats{Processed: processed, PeakStates: peak}
}
