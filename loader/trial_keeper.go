package loader

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A keeper is a process that takes back what is on trial when the time is over.
// It is a copy of this program in a session of its own, without a terminal, and
// holds nothing open of whoever started it, so it outlives the shell, the
// connection and the load.

// startKeeper starts one with a command that calls KeepTrial, and returns when it
// is ready. Until begun is closed, or this process has ended, the trial may not
// have been pinned yet.
func startKeeper(command []string, t trial) (begun io.Closer, err error) {
	ready, said, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	defer said.Close()
	beginning, begun, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer beginning.Close()
	if err := runKeeper(command, t, ready, said, beginning); err != nil {
		begun.Close()
		return nil, err
	}
	return begun, nil
}

func runKeeper(command []string, t trial, ready, said, beginning *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	path, err := os.Executable()
	if err != nil { // closed to a process that has capabilities of its file
		path, err = exec.LookPath(os.Args[0])
	}
	if err != nil {
		return err
	}
	keeper := &exec.Cmd{
		Path: path, Args: append(append([]string{"xdpfw"}, command...), t.Token, strconv.FormatInt(t.Deadline, 10)),
		Dir: "/", Stdin: null, Stdout: null, Stderr: null, ExtraFiles: []*os.File{said, beginning},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := keeper.Start(); err != nil {
		return err
	}
	said.Close() // so that the keeper's end is the last
	if err := ready.SetReadDeadline(time.Now().Add(lockPatience)); err != nil {
		return errors.Join(err, keeper.Process.Kill())
	}
	answer, err := io.ReadAll(ready)
	if string(answer) != keeperReady {
		return errors.Join(fmt.Errorf("it said %q instead of being ready", answer), err, keeper.Process.Kill())
	}
	return keeper.Process.Release()
}

const (
	keeperReady     = "ready"
	keeperSaid      = 3 // the descriptors of exec.Cmd.ExtraFiles
	keeperBeginning = 4
)

// KeepTrial is what a keeper does: it waits for the deadline (CLOCK_BOOTTIME,
// in nanoseconds) and takes back what is still on trial then. It returns
// earlier if nothing is on trial any more.
func KeepTrial(token string, deadline int64) error {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	said, beginning := os.NewFile(keeperSaid, "said"), os.NewFile(keeperBeginning, "beginning")
	_, err := said.WriteString(keeperReady)
	if err := errors.Join(err, said.Close()); err != nil {
		return refusal("keep a trial", err)
	}
	// Nothing is written: it ends when the load has, or was killed.
	_, _ = io.ReadAll(beginning)
	for {
		left := time.Duration(deadline - bootTime())
		if left <= 0 {
			break
		}
		if on, err := onTrial(token); err == nil && !on {
			return nil
		}
		time.Sleep(min(left, time.Second))
	}
	var failed error
	for range 10 { // another run may hold the lock
		if failed = takeBackToken(token); failed == nil {
			return nil
		}
		time.Sleep(time.Second)
	}
	return refusal("take back what was on trial", failed)
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
		if err != nil {
			return false, err
		}
		if t != nil && t.Token == token {
			return true, nil
		}
	}
	return false, nil
}

func takeBackToken(token string) error {
	root, err := findRoot()
	if err != nil || root == nil {
		return err
	}
	defer root.Close()
	return root.eachTrial(func(h *holding, t *trial) error {
		if t.Token != token {
			return nil
		}
		return h.takeBack(t)
	})
}

// newTrial begins now.
func newTrial(lasts time.Duration) trial {
	return trial{Token: rand.Text(), Deadline: bootTime() + int64(lasts)}
}
