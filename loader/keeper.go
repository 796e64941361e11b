package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A keeper is a process that takes back what is on trial when the time is over.
// It is a copy of this program in a session of its own, without a terminal, and
// holds nothing open of whoever started it, so it outlives the shell, the
// connection and the load.
//
// Two pipes connect it with the load. On the first it says that it is ready, or
// why not; the second one tells it that the rules are in place. If that ends
// without a word, the load has failed or was killed, and the keeper takes back
// at once whatever of it is on trial.
const (
	keeperSaid  = 3 // the descriptors of exec.Cmd.ExtraFiles
	keeperHears = 4
	keeperReady = "ready"
	inPlace     = "in place"
)

// A keeper is one that was started, and is ready.
type keeper struct{ tell *os.File }

// Close tells it that the load has ended.
func (k *keeper) Close() { k.tell.Close() }

// inPlace tells it that the rules are.
func (k *keeper) inPlace() error {
	_, err := k.tell.WriteString(inPlace)
	return err
}

// startKeeper starts one with a command that calls KeepTrial, and returns when
// it is ready.
func startKeeper(command []string, t trial) (*keeper, error) {
	ready, said, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	defer said.Close()
	hears, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hears.Close()
	if err := runKeeper(command, t, ready, said, hears); err != nil {
		tell.Close()
		return nil, err
	}
	return &keeper{tell}, nil
}

func runKeeper(command []string, t trial, ready, said, hears *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	path, err := os.Executable()
	if err != nil {
		return err
	}
	environ, err := keeperEnviron()
	if err != nil {
		return err
	}
	if err := inheritNothing(); err != nil {
		return err
	}
	process := &exec.Cmd{
		Path: path, Args: append(append([]string{"xdpfw"}, command...), t.Token, strconv.FormatInt(t.Deadline, 10)),
		Dir: "/", Env: environ, Stdin: null, Stdout: null, Stderr: null, ExtraFiles: []*os.File{said, hears},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	// From a goroutine of its own: it needs no network namespace, and would keep
	// the one that this one may have entered.
	started := make(chan error)
	go func() { started <- process.Start() }()
	if err := <-started; err != nil {
		return err
	}
	said.Close() // so that the keeper's end is the last
	if err := ready.SetReadDeadline(time.Now().Add(lockPatience)); err != nil {
		return errors.Join(err, process.Process.Kill())
	}
	answer, err := io.ReadAll(ready)
	if string(answer) == keeperReady {
		return process.Process.Release()
	}
	why := string(answer)
	if why == "" {
		why = "it does not say that it is ready"
	}
	return errors.Join(errors.New(why), err, process.Process.Kill())
}

// keeperEnviron is this process's, with a folder of pins that is the same from
// wherever it is looked for.
func keeperEnviron() ([]string, error) {
	environ := os.Environ()
	if os.Getenv(rootVar) == "" {
		return environ, nil
	}
	path, err := filepath.Abs(rootPath())
	if err != nil {
		return nil, err
	}
	return append(environ, rootVar+"="+path), nil // the last one counts
}

// inheritNothing closes, in processes that are started from now on, what this
// one was started with: a lock held open, or the pipe that ends a connection.
func inheritNothing() error {
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		// That of the folder is closed by now.
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil && !errors.Is(err, unix.EBADF) {
			return err
		}
	}
	return nil
}

// KeepTrial is what a keeper does: it waits for the deadline (CLOCK_BOOTTIME,
// in nanoseconds) and takes back what is still on trial then. It returns
// earlier if nothing is on trial any more. Asked to end, as by a system that
// shuts down or ends all of a user's processes, it takes back at once.
func KeepTrial(token string, deadline int64) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE)
	asked, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	said, hears := os.NewFile(keeperSaid, "said"), os.NewFile(keeperHears, "hears")
	answer := keeperReady
	unable := couldTakeBack()
	if unable != nil {
		answer = unable.Error()
	}
	_, err := said.WriteString(answer)
	if err := errors.Join(unable, err, said.Close()); err != nil {
		return refusal("keep a trial", err)
	}
	if heardInPlace(hears, deadline) && !awaitDeadline(asked, token, deadline) {
		return nil
	}
	return refusal("take back what was on trial", takeBackPatiently(asked, token))
}

// heardInPlace waits for the load's word, but not longer than to the deadline: a
// load that was stopped neither says it nor ends.
func heardInPlace(hears *os.File, deadline int64) bool {
	word := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(hears)
		word <- string(text)
	}()
	for {
		left := time.Duration(deadline - bootTime())
		if left <= 0 {
			return false
		}
		select {
		case said := <-word:
			return said == inPlace
		case <-time.After(min(left, time.Second)):
		}
	}
}

// couldTakeBack says why this process could not.
func couldTakeBack() error {
	if missing := missingCapabilities(); len(missing) > 0 {
		return errors.New("it lacks " + strings.Join(missing, " and "))
	}
	path, found, err := existingRoot()
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("it does not find %s", path)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &os.PathError{Op: "look into", Path: path, Err: err}
	}
	return nil
}

// awaitDeadline is false if nothing is on trial any more. Sleeps are short: a
// machine that sleeps itself does not shorten them.
func awaitDeadline(asked context.Context, token string, deadline int64) bool {
	for {
		left := time.Duration(deadline - bootTime())
		if left <= 0 {
			return true
		}
		if on, err := onTrial(token); err == nil && !on {
			return false
		}
		select {
		case <-asked.Done():
			return true
		case <-time.After(min(left, time.Second)):
		}
	}
}

// How often a keeper tries to take back, once a second at most, as memory may be
// short; and if it was asked to end.
const (
	mostTries = 1000
	lastTries = 10
)

// keeperPatience is how long a keeper waits for the lock: longer than any run has
// it that is not stopped.
const keeperPatience = 5 * time.Second

// takeBackPatiently does not always need the lock: a run that holds it may have
// been stopped, or hang. Without it, what the link runs is taken back, which can be
// done twice. What the link does not run yet is left to the load, which looks at
// the time when it has put it there; its trial stays pinned, and should the load be
// killed first, the lock is free and it is done here.
func takeBackPatiently(asked context.Context, token string) (failed error) {
	for n := range mostTries {
		if asked.Err() != nil && n >= lastTries {
			break
		}
		root, err := findRootWithin(keeperPatience)
		locked := errors.Is(err, errLocked)
		if locked {
			root, err = &pinRoot{path: rootPath()}, nil
		}
		if err == nil && root == nil {
			return nil
		}
		if failed = err; err == nil {
			failed = root.takeBackToken(token)
			switch {
			case locked:
				failed = errors.Join(failed, root.detachUnpinned(token))
			case failed == nil:
				failed = root.sweep() // what a load left that was killed in front of the link
			}
			root.Close()
		}
		on, err := onTrial(token)
		if failed == nil && (!locked || err == nil && !on) {
			return nil
		}
		time.Sleep(time.Second)
	}
	return failed
}

// onTrial says whether something of the token is.
func onTrial(token string) (bool, error) {
	path, found, err := existingRoot()
	if err != nil || !found {
		return false, err
	}
	dirs, err := pinDirs(path)
	if err != nil {
		return false, err
	}
	for _, dir := range dirs {
		t, err := dir.readTrial()
		if err := passOver(err); err != nil {
			return false, err
		}
		if t != nil && t.Token == token {
			return true, nil
		}
	}
	return false, nil
}
