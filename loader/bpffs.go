package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where the pins are. Another tool uses /sys/fs/bpf/xdpfw, which is never
// touched.
const (
	bpffsMount  = "/sys/fs/bpf"
	defaultRoot = bpffsMount + "/xdp-fw"
	rootVar     = "XDPFW_BPFFS" // names another folder, on a bpffs as well
)

func rootPath() string {
	if path := os.Getenv(rootVar); path != "" {
		return filepath.Clean(path)
	}
	return defaultRoot
}

// A pinRoot is the folder of all pins, locked against other runs of xdpfw.
type pinRoot struct {
	path string
	lock *os.File // nil if it is not locked
}

// openRoot makes the folder, where need be mounts bpffs for it, and locks it.
func openRoot() (*pinRoot, error) {
	path := rootPath()
	for {
		if err := ensureBPFFS(path); err != nil {
			return nil, err
		}
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("make the folder for pins: %w", err)
		}
		root, err := lockRoot(path, lockPatience)
		if root != nil || err != nil {
			return root, err
		}
		// Another run removed the folder between the two steps.
	}
}

// findRoot locks the folder if there is one; else it is nil.
func findRoot() (*pinRoot, error) { return findRootWithin(lockPatience) }

func findRootWithin(patience time.Duration) (*pinRoot, error) {
	path, found, err := existingRoot()
	if err != nil || !found {
		return nil, err
	}
	return lockRoot(path, patience)
}

// existingRoot is the folder of pins, if there is one. That bpffs cannot be
// seen from here, though there may be one, is an error.
func existingRoot() (path string, found bool, err error) {
	path = rootPath()
	on, err := onBPFFS(path)
	if err != nil {
		return path, false, err
	}
	if !on {
		return path, false, notOnBPFFS(path)
	}
	_, err = os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return path, false, nil
	}
	return path, err == nil, err
}

// lockPatience is how long a run waits for another one to finish.
const lockPatience = 10 * time.Second

// lockRoot locks the folder; nil if it has gone meanwhile.
func lockRoot(path string, patience time.Duration) (*pinRoot, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			defer f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, lockedBy(f, path, patience)
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
	if !sameFile(f, path) {
		f.Close()
		return nil, nil
	}
	return &pinRoot{path: path, lock: f}, nil
}

// errLocked: another run has held the lock all the time.
var errLocked = errors.New("it is locked")

// lockedBy makes an *Error of errLocked that names who holds the lock, as far as
// /proc/locks (proc_locks(5)) tells.
func lockedBy(f *os.File, path string, patience time.Duration) error {
	e := &Error{
		Doing: "lock " + path, Why: fmt.Sprintf("another run of xdpfw has been using it for %v", patience),
		Help: "wait until that one is through", Err: errLocked,
	}
	var at unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err = errors.Join(err, unix.Fstat(int(f.Fd()), &at)); err != nil {
		return e
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(at.Dev), unix.Minor(at.Dev), at.Ino)
	for line := range strings.Lines(string(locks)) { // "1: FLOCK  ADVISORY  WRITE 4711 00:2f:3 0 EOF"
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		name, _ := os.ReadFile("/proc/" + fields[4] + "/comm")
		e.Why = fmt.Sprintf("process %s (%s) has held it for %v", fields[4], strings.TrimSpace(string(name)), patience)
		e.Help = "wait until that one is through; if it hangs, end it: kill -9 " + fields[4]
	}
	return e
}

func sameFile(f *os.File, path string) bool {
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(locked, now)
}

// Close unlocks the folder, and removes it if nothing is left in it.
func (r *pinRoot) Close() {
	if r.lock == nil {
		return
	}
	const others = 0o022
	var made unix.Stat_t
	if err := unix.Fstat(int(r.lock.Fd()), &made); err == nil && int(made.Uid) == os.Geteuid() && made.Mode&others == 0 { // else it was given to somebody
		_ = os.Remove(r.path) // refused while it holds something, or is a mount point
	}
	r.lock.Close()
}

// onBPFFS says whether path, or the folder that it will be made in, is on a
// bpffs.
func onBPFFS(path string) (bool, error) {
	var fs unix.Statfs_t
	err := unix.Statfs(path, &fs)
	if errors.Is(err, unix.ENOENT) {
		err = unix.Statfs(filepath.Dir(path), &fs)
	}
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return uint32(fs.Type) == unix.BPF_FS_MAGIC, nil
}

// mountPoint is the folder where the file system of a path is mounted.
func mountPoint(path string) string {
	var here, above unix.Stat_t
	for unix.Stat(path, &here) != nil && path != "/" { // not made yet
		path = filepath.Dir(path)
	}
	for path != "/" && unix.Stat(filepath.Dir(path), &above) == nil && above.Dev == here.Dev {
		path = filepath.Dir(path)
	}
	return path
}

// notOnBPFFS is the error for a folder where pins cannot be, or nil where it
// is only that nothing is mounted yet.
func notOnBPFFS(path string) error {
	if path != defaultRoot {
		return &Error{
			Doing: "use " + rootVar,
			Why:   path + " is not on a bpffs, the only file system that keeps BPF objects",
			Help:  "mount one there (mount -t bpf bpf DIR), or unset " + rootVar,
		}
	}
	if inPrivateMounts() {
		return &Error{
			Doing: "use " + bpffsMount,
			Why: "this process sees mounts of its own, as `ip netns exec` makes them: a bpffs mounted here would die with the command, " +
				"and the firewall with it",
			Help: "run xdpfw outside of it with --netns NAME, or set " + rootVar + " to a folder on a bpffs that lasts",
		}
	}
	return nil
}

// ensureBPFFS mounts bpffs on /sys/fs/bpf if pins are to go there and nothing
// is.
func ensureBPFFS(path string) error {
	on, err := onBPFFS(path)
	if err != nil || on {
		return err
	}
	if err := notOnBPFFS(path); err != nil {
		return err
	}
	if err := mountBPFFS(bpffsMount); err != nil {
		e := &Error{Doing: "mount bpffs on " + bpffsMount, Why: err.Error(), Err: err}
		if errors.Is(err, unix.EPERM) {
			e.Why = "not permitted: mount() asks for CAP_SYS_ADMIN"
			e.Help = "let root do it once: mount -t bpf bpf " + bpffsMount
		}
		return e
	}
	return nil
}

// mountBPFFS mounts as iproute2 does (lib/bpf_legacy.c, bpf_mnt_fs), so that
// whichever comes first leaves the same: a private mount point with mode 0700.
func mountBPFFS(target string) error {
	err := unix.Mount("", target, "none", unix.MS_PRIVATE|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		if err := unix.Mount(target, target, "none", unix.MS_BIND, ""); err != nil {
			return err
		}
		err = unix.Mount("", target, "none", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	if err != nil {
		return err
	}
	return unix.Mount("bpf", target, "bpf", 0, "mode=0700")
}

// inPrivateMounts says whether this process sees other mounts than the system
// does. `ip netns exec` mounts a sysfs whose source is the namespace's name
// (lib/namespace.c, netns_switch), which tells even where the mounts of
// process 1 may not be asked for.
func inPrivateMounts() bool {
	system, err := os.Readlink("/proc/1/ns/mnt")
	own, ownErr := os.Readlink("/proc/thread-self/ns/mnt")
	if err == nil && ownErr == nil && system != own {
		return true
	}
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	return err == nil && sysIsOfNamespace(string(text), namespaceNames())
}

// sysIsOfNamespace looks in a mountinfo (proc_pid_mountinfo(5)) for the last
// sysfs on /sys, and whether its source is one of the names.
func sysIsOfNamespace(mountinfo string, names []string) bool {
	source := ""
	for line := range strings.Lines(mountinfo) {
		head, tail, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(head), strings.Fields(tail)
		if len(left) > 4 && left[4] == "/sys" && len(right) > 1 && right[0] == "sysfs" {
			source = right[1]
		}
	}
	for _, name := range names {
		if name == source {
			return true
		}
	}
	return false
}
