package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceFolders are where `ip netns add` keeps names; the second is what
// the first was called once.
var namespaceFolders = []string{"/run/netns", "/var/run/netns"}

// InNamespace calls f on a thread that has entered a network namespace, given
// by name (as `ip netns` keeps them) or by path; "" is the caller's own.
// Nothing else is entered: mounts stay the caller's. f must do its work in its
// own goroutine: another one runs on another thread, in another namespace.
// Failing to enter or to come back is an *Error; else f's error is returned, and
// commands that an *Error advises have --netns.
func InNamespace(namespace string, f func() error) (err error) {
	if namespace == "" {
		return f()
	}
	doing := "enter the network namespace " + namespace
	target, err := openNamespace(namespace)
	if err != nil {
		return refusal(doing, err)
	}
	defer target.Close()

	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return refusal(doing, err)
	}
	defer own.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return enteringRefused(doing, err)
	}
	defer func() {
		if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
			// The thread stays locked: no other goroutine may run in a
			// namespace that it did not ask for.
			err = errors.Join(err, refusal("leave the network namespace "+namespace, back))
			return
		}
		runtime.UnlockOSThread()
	}()
	err = f()
	var e *Error
	if errors.As(err, &e) {
		e.Help = commandsIn(namespace, e.Help)
	}
	return err
}

// command is one of xdpfw about interfaces, as a shell takes it.
func command(verb string, names ...string) string {
	return "xdpfw " + verb + " -i " + shellWord(strings.Join(names, ","))
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.,:@%+/=-]+$`)

func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ownCommand is what command gives, or one about all interfaces.
var ownCommand = regexp.MustCompile(`xdpfw (confirm|status|unload)( -i ('([^']|'\\'')*'|[A-Za-z0-9_.,:@%+/=-]+))?`)

// commandsIn adds the option --netns to the commands of xdpfw in an advice, if a
// namespace is given.
func commandsIn(namespace, advice string) string {
	if namespace == "" {
		return advice
	}
	return ownCommand.ReplaceAllStringFunc(advice, func(command string) string { return command + " --netns " + shellWord(namespace) })
}

// ConfirmCommand is the command that keeps what is on trial on interfaces of a
// network namespace.
func ConfirmCommand(namespace string, names []string) string {
	return commandsIn(namespace, command("confirm", names...))
}

func enteringRefused(doing string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return &Error{Doing: doing, Why: "not permitted: setns() asks for CAP_SYS_ADMIN", Help: "run it as root (sudo)", Err: err}
	}
	return refusal(doing, err)
}

// openNamespace opens a network namespace and makes sure that it is one: the
// file of a namespace that was deleted is an ordinary empty file.
func openNamespace(namespace string) (*os.File, error) {
	file, err := openFirst(namespacePaths(namespace))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &Error{
				Doing: "enter the network namespace " + namespace,
				Why:   "there is no such namespace",
				Help:  "known names: " + orNone(namespaceNames()) + "; or give the path of one, as /proc/PID/ns/net",
				Err:   err,
			}
		}
		return nil, err
	}
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err == nil && kind == unix.CLONE_NEWNET {
		return file, nil
	}
	file.Close()
	return nil, fmt.Errorf("%s is no network namespace", file.Name())
}

func namespacePaths(namespace string) []string {
	if strings.Contains(namespace, "/") {
		return []string{namespace}
	}
	var paths []string
	for _, folder := range namespaceFolders {
		paths = append(paths, filepath.Join(folder, namespace))
	}
	return paths
}

func openFirst(paths []string) (file *os.File, err error) {
	for _, path := range paths {
		if file, err = os.Open(path); err == nil {
			return file, nil
		}
	}
	return nil, err
}

// namespaceNames are the names that `ip netns` keeps.
func namespaceNames() []string {
	var names []string
	entries, err := os.ReadDir(namespaceFolders[0])
	if err != nil {
		return nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// namespaceID identifies the network namespace of this thread for as long as
// the machine runs: the kernel's cookie (5.14), before that the inode.
func namespaceID() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
		return cookie, nil
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}
