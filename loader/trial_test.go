package loader

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xdpfw/rules"
)

// testKeeper makes the test's binary a keeper.
const testKeeper = "keep"

func keepTrial(token, deadline string) {
	n, err := strconv.ParseInt(deadline, 10, 64)
	if err == nil {
		err = KeepTrial(token, n)
	}
	if err != nil {
		os.Exit(1)
	}
}

// onTrialFor loads rules on in0 and in1, if there is one.
func onTrialFor(t *testing.T, lasts time.Duration, text string, interfaces ...string) *Trial {
	t.Helper()
	obj, rs := compiled(t, text)
	done := mustLoad(t, obj, LoadOptions{Interfaces: interfaces, Force: true, Rules: rs, Confirm: lasts, Keeper: []string{testKeeper}})
	for _, a := range done {
		if a.Trial != done[0].Trial || a.Trial == nil {
			t.Fatalf("%s has a trial of its own, or none", a.Interface)
		}
	}
	return done[0].Trial
}

// ends waits for the end of a trial.
func (t *Trial) ends(test *testing.T) {
	test.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		on, err := t.On()
		if err != nil {
			test.Fatal(err)
		}
		if !on {
			return
		}
		if time.Now().After(deadline) {
			test.Fatal("it is still on trial")
		}
	}
}

// Nothing is counted twice or forgotten by what comes and goes on trial.
func TestCountersOfATrial(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	sendEach(t, 3, 17, 98)
	counted(t, "in0", map[string]int{"named": 3, "drop proto 98": 3})
	trial := onTrialFor(t, 2*time.Second, carrySecond, "in0")
	sendEach(t, 2, 17, 98)
	counted(t, "in0", map[string]int{"named": 5})
	trial.ends(t)
	sendEach(t, 1, 17, 98)
	counted(t, "in0", map[string]int{"named": 6, "drop proto 98": 4, "drop proto 99": 0})

	trial = onTrialFor(t, time.Hour, carrySecond, "in0")
	sendEach(t, 4, 17, 97)
	if err := trial.Keep(); err != nil {
		t.Fatal(err)
	}
	counted(t, "in0", map[string]int{"named": 10, "drop proto 97": 4})
	held := heldOn(t, "in0")
	defer held.Close()
	if dirs, err := held.dir.generations(); err != nil || len(dirs) != 1 {
		t.Errorf("confirmed, and pinned are the generations %v, %v", dirs, err)
	}
}

// Interfaces of one load share a trial: all come back, or all stay.
func TestTrialOnSeveralInterfaces(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	loadText(t, carryFirst) // on in0 only
	programs := func() (ids [2]uint32) {
		t.Helper()
		for i, name := range []string{"in0", "in1"} {
			if list, err := ListStatus(name); err != nil {
				t.Fatal(err)
			} else if len(list) > 0 {
				ids[i] = list[0].ProgramID
			}
		}
		return ids
	}
	before := programs()
	trial := onTrialFor(t, time.Hour, carrySecond, "in0", "in1")
	if err := trial.TakeBack(); err != nil {
		t.Fatal(err)
	}
	if now := programs(); now != before || now[0] == 0 || now[1] != 0 {
		t.Errorf("taken back, and there run %v, before %v", now, before)
	}
	onTrialFor(t, time.Hour, carrySecond, "in0", "in1")
	during := programs()
	if list, err := ListStatus("in0"); err != nil || list[0].Trial == nil || !slices.Equal(list[0].Trial.Interfaces, []string{"in0", "in1"}) {
		t.Errorf("on trial: %+v, %v", list, err)
	}
	_, err := Load(handMade("third.fw", rules.Pass), forced(Auto, "in0"))
	mustRefuse(t, err, "the rules there are on trial for ", "xdpfw confirm -i in0,in1;")
	if kept, waiting, err := Confirm([]string{"in1"}); err != nil || !slices.Equal(kept, []string{"in1"}) || !slices.Equal(waiting, []string{"in0"}) {
		t.Fatalf("kept %v, waiting %v, %v", kept, waiting, err)
	}
	if list, err := ListStatus("in0"); err != nil || list[0].Trial == nil || !slices.Equal(list[0].Trial.Interfaces, []string{"in0"}) {
		t.Errorf("in0, which was not confirmed: %+v, %v", list, err)
	}
	if kept, _, err := Confirm(nil); err != nil || len(kept) != 1 || kept[0] != "in0" {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if now := programs(); now != during {
		t.Errorf("confirmed, and there run %v, before %v", now, during)
	}
}

// Rules on trial over nothing, whose time is over and keeper gone, are taken off by
// the verbs that tidy up, which do not blame somebody else then.
func TestOverdueTrialOverNothing(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	for name, verb := range map[string]func() error{
		"unload": func() error { return Unload("in0") },
		"reset":  func() error { _, err := ResetStats("in0"); return err },
	} {
		onTrialFor(t, time.Hour, carryFirst, "in0")
		held := heldOn(t, "in0")
		pinned, err := held.dir.readTrial()
		if err != nil {
			t.Fatal(err)
		}
		pinned.Deadline = 0
		if err := held.dir.pinTrial(*pinned); err != nil {
			t.Fatal(err)
		}
		held.Close()
		mustRefuse(t, verb(), "no rule set is loaded on in0", "")
		if d, err := findDevice("test", "in0"); err != nil || d.attached {
			t.Errorf("%s: attached is %+v, %v", name, d, err)
		}
	}
}

// A keeper that cannot be started, or does not get ready, refuses the load.
func TestTrialWithoutAKeeper(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	obj, rs := compiled(t, carryFirst)
	for _, c := range []struct{ keeper, role, says string }{
		{"-test.run=^$", "", "it does not say that it is ready"},
		{"weak", "weak keeper", "it lacks CAP_BPF"},
	} {
		t.Setenv(childVar, c.role)
		_, err := Load(obj, LoadOptions{Interfaces: []string{"in0"}, Force: true, Rules: rs, Confirm: time.Hour, Keeper: []string{c.keeper}})
		mustRefuse(t, err, "start the process that takes the rules back: "+c.says, "without --confirm")
		if d, err := findDevice("test", "in0"); err != nil || d.attached {
			t.Errorf("%s: attached is %+v, %v", c.says, d, err)
		}
		if pins := pinsUnder(t, rootPath()); len(pins) > 0 {
			t.Errorf("%s: pinned are %v", c.says, pins)
		}
	}
}

// A trial whose program was replaced by something that knows nothing of trials
// is over, and so is one of a load that was killed before the link was updated.
func TestTrialThatIsOver(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	loadText(t, carryFirst)
	held := heldOn(t, "in0")
	defer held.Close()
	if err := held.dir.pinTrial(trial{Token: "x", Deadline: bootTime() + int64(time.Hour), Program: 1, Previous: uint32(held.program)}); err != nil {
		t.Fatal(err)
	}
	if list, err := ListStatus("in0"); err != nil || list[0].Trial != nil {
		t.Errorf("%+v, %v", list, err)
	}
	_, _, err := Confirm(nil)
	mustRefuse(t, err, "confirm: no rules are on trial on any interface", "xdpfw status")
	if _, err := os.Stat(held.dir.trial()); !os.IsNotExist(err) {
		t.Errorf("the trial is still pinned: %v", err)
	}
	loadText(t, carrySecond)
}

// The first versions did not say which program is on trial: other runs leave it
// alone as long as it lasts, and take it back behind that.
func TestTrialOfTheFirstVersions(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	loadText(t, carryFirst)
	before, _, _ := whatIsOn(t, "in0")
	onTrialFor(t, time.Hour, carrySecond, "in0")
	held := heldOn(t, "in0")
	defer held.Close()
	pinned, err := held.dir.readTrial()
	if err != nil {
		t.Fatal(err)
	}
	for _, deadline := range []int64{pinned.Deadline, 0} {
		pinned.Deadline, pinned.Program = deadline, 0
		if err := held.dir.pinTrial(*pinned); err != nil {
			t.Fatal(err)
		}
		obj, rs := compiled(t, carryFirst)
		mustLoad(t, obj, LoadOptions{Interfaces: []string{"in1"}, Rules: rs, Force: true})
		now, _, _ := whatIsOn(t, "in0")
		list, err := ListStatus("in0")
		if on := deadline > 0; err != nil || (list[0].Trial != nil) != on || (now.program == before.program) == on {
			t.Errorf("deadline %d: %+v is on trial: %v, %v", deadline, now, list[0].Trial, err)
		}
	}
}

// A trial that cannot be ended, since the program before has gone, is no reason
// to leave others alone, or not to unload.
func TestTrialThatCannotEnd(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	onTrialFor(t, time.Hour, carryFirst, "in0", "in1")
	for _, name := range []string{"in0", "in1"} {
		held := heldOn(t, name)
		pinned, err := held.dir.readTrial()
		if err != nil {
			t.Fatal(err)
		}
		pinned.Deadline = 0
		if name == "in0" {
			pinned.Previous = 1
		}
		if err := held.dir.pinTrial(*pinned); err != nil {
			t.Fatal(err)
		}
		held.Close()
	}
	_, _, err := Confirm(nil)
	mustRefuse(t, err, "the program that was there before cannot be opened: open the pin ", "unload")
	if d, err := findDevice("test", "in1"); err != nil || d.attached {
		t.Errorf("in1 was not taken back: %+v, %v", d, err)
	}
	if err := Unload("in0"); err != nil {
		t.Error(err)
	}
	if pins := pinsUnder(t, rootPath()); len(pins) > 0 {
		t.Errorf("pinned are %v", pins)
	}
}

// A keeper holds nothing of whoever started it: no terminal, no session, no
// folder, no file. The folder of pins it finds also by a relative name.
func TestKeeperHoldsNothing(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	t.Chdir(filepath.Dir(rootPath()))
	t.Setenv(rootVar, filepath.Base(rootPath()))
	locked, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if _, err := unix.FcntlInt(locked.Fd(), unix.F_SETFD, 0); err != nil { // as a shell gives it to its commands
		t.Fatal(err)
	}
	trial := onTrialFor(t, 2*time.Second, carryFirst, "in0")
	pid := keeperOf(t, trial)
	files, err := filepath.Glob("/proc/" + pid + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		target, err := os.Readlink(file)
		if err != nil {
			continue
		}
		number, _ := strconv.Atoi(filepath.Base(file))
		standard := number <= 2 && target == os.DevNull
		runtime := strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/sys/fs/cgroup/")
		if !standard && !runtime && number != keeperHears { // that of a load that has ended
			t.Errorf("it has %s open as %d", target, number)
		}
	}
	if dir, err := os.Readlink("/proc/" + pid + "/cwd"); err != nil || dir != "/" {
		t.Errorf("it is in %q, %v", dir, err)
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat") // behind the name: state, parent, group, session, terminal
	_, behind, _ := strings.Cut(string(stat), ") ")
	if fields := strings.Fields(behind); err != nil || len(fields) < 5 || fields[2] != pid || fields[3] != pid || fields[4] != "0" {
		t.Errorf("its group, session and terminal: %q, %v; it is %s", stat, err, pid)
	}
	trial.ends(t)
}

// keeperOf finds the keeper of a trial.
func keeperOf(t *testing.T, trial *Trial) (pid string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		if line, _ := os.ReadFile(path); strings.Contains(string(line), trial.trial.Token) {
			return filepath.Base(filepath.Dir(path))
		}
	}
	t.Fatal("there is no keeper")
	return ""
}

// A keeper that is asked to end takes back first, at once; of a hangup it takes
// no notice.
func TestKeeperIsAskedToEnd(t *testing.T) {
	ownMachine(t)
	vethPair(t, "in0", "out0")
	trial := onTrialFor(t, time.Hour, carryFirst, "in0")
	pid, err := strconv.Atoi(keeperOf(t, trial))
	if err != nil {
		t.Fatal(err)
	}
	for _, signal := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE} {
		if err := unix.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if on, err := trial.On(); err != nil || !on {
		t.Fatalf("on trial: %v, %v", on, err)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	trial.ends(t)
	if d, err := findDevice("test", "in0"); err != nil || d.attached {
		t.Errorf("%+v, %v", d, err)
	}
}
