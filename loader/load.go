package loader

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"xdpfw/codegen"
)

// Load verifies the Object and attaches it to every interface, or to none: if
// one refuses, the others are as they were. Where a rule set of ours is
// attached it is replaced by a link update, so that no packet meets none.
// Errors are *Error.
func Load(obj *codegen.Object, opts LoadOptions) ([]Attachment, error) {
	doing := fmt.Sprintf("load %s on %s", obj.Source, strings.Join(opts.Interfaces, ", "))
	attempts, err := prepare(doing, obj, opts)
	defer func() {
		for _, a := range attempts {
			a.Close()
		}
	}()
	if err != nil {
		return nil, refusal(doing, err)
	}
	// In front of the lock, which others wait for.
	if err := tagsAll(attempts, obj, opts); err != nil {
		return nil, refusal(doing, err)
	}
	if !opts.Force {
		if err := guardAll(attempts, obj, opts); err != nil {
			return nil, refusal(doing, err)
		}
	}
	for _, a := range attempts {
		if err := a.selfCheck(obj, opts.Rules); err != nil {
			return nil, refusal(doing, err)
		}
	}
	if !opts.DryRun {
		sources, err := opts.pinSources(attempts, obj)
		if err != nil {
			return nil, refusal(doing, err)
		}
		defer sources.Close()
	}
	root, swept, err := rootFor(opts)
	if err != nil {
		return nil, refusal(doing, err)
	}
	if root != nil {
		defer root.Close()
	}
	for _, a := range attempts {
		a.warnOf(swept, "could not tidy up what earlier runs left")
	}
	for _, a := range attempts {
		if err := a.claim(root, opts); err != nil {
			return nil, refusal(doing, err)
		}
	}
	if !opts.DryRun {
		attach := func() error { return attachAll(attempts, obj, opts) }
		if opts.Confirm > 0 {
			attach = func() error { return putOnTrial(root, attempts, obj, opts) }
		}
		if err := attach(); err != nil {
			return nil, refusal(doing, err)
		}
	}
	done := make([]Attachment, len(attempts))
	for i, a := range attempts {
		done[i] = a.result
	}
	return done, nil
}

// prepare finds the interfaces and loads the Object once for each, since each
// has counters of its own. The kernel's refusals come before anything is
// touched.
func prepare(doing string, obj *codegen.Object, opts LoadOptions) ([]*attempt, error) {
	if len(opts.Interfaces) == 0 {
		return nil, &Error{Doing: doing, Why: "no interface is named"}
	}
	var attempts []*attempt
	seen := make(map[int]bool)
	for _, name := range opts.Interfaces {
		d, err := findDevice(doing, name)
		if err != nil {
			return attempts, err
		}
		if !d.hasEthernetFraming() {
			return attempts, &Error{
				Doing: "load " + obj.Source + " on " + name,
				Why:   fmt.Sprintf("frames of %s have no Ethernet header (its link type is %q), so every rule would read the wrong bytes", name, d.framing),
				Help:  "load it on the Ethernet interface that carries this traffic",
			}
		}
		if seen[d.index] {
			continue
		}
		seen[d.index] = true
		attempts = append(attempts, &attempt{device: d, target: obj.Target, result: Attachment{Interface: d.name, Mode: opts.Mode}})
	}
	indexes, err := findInterfaces("load "+obj.Source, obj)
	if err != nil {
		return attempts, err
	}
	var named []NamedIndex
	for i, index := range indexes {
		named = append(named, NamedIndex{obj.Interfaces[i].Name, index})
	}
	for _, a := range attempts {
		a.interfaces = named
		a.named, a.tested = ownInterface(obj, indexes, a.device), ownInterface(obj, indexes, device{index: loopbackIndex})
		if a.img, err = loadImage("load "+obj.Source, obj, indexes); err != nil {
			return attempts, err
		}
		if a.img.counters == nil && len(obj.Counters) > 0 {
			return attempts, fmt.Errorf("the object has no map named %s", codegen.CounterMap)
		}
	}
	return attempts, nil
}

// rootFor opens the folder of pins; a dry run makes none, and gets nil where
// there is none, and no lock, since it changes nothing. That it could not be
// swept keeps nobody from loading: what it matters to is found out by claim.
func rootFor(opts LoadOptions) (root *pinRoot, swept, err error) {
	if opts.DryRun {
		path, found, err := existingRoot()
		if err != nil || !found {
			return nil, nil, err
		}
		return &pinRoot{path: path}, nil, nil
	}
	if root, err = openRoot(); err != nil {
		return nil, nil, err
	}
	return root, root.sweep(), nil
}

// putOnTrial is attachAll with a keeper, which is there before anything is
// changed that it could not take back.
func putOnTrial(root *pinRoot, attempts []*attempt, obj *codegen.Object, opts LoadOptions) error {
	const doing = "start the process that takes the rules back"
	t := newTrial(opts.Confirm)
	keeper, err := startKeeper(opts.Keeper, t)
	if err != nil {
		return &Error{Doing: doing, Why: fmt.Sprintf("%v; nothing was attached", err), Help: "without --confirm there is none", Err: err}
	}
	defer keeper.Close()
	for _, a := range attempts {
		a.trial = &t
	}
	if err := attachAll(attempts, obj, opts); err != nil {
		return err
	}
	err = keeper.inPlace()
	if over := t.left() <= 0; err != nil || over {
		why := "it was killed; the rules were taken back"
		if over {
			why = "the time was over before the rules were in place; they were taken back"
		}
		if err := root.takeBackToken(t.Token); err != nil {
			why = fmt.Sprintf("it was killed, or the time was over, and taking the rules back failed: %v", err)
		}
		return &Error{Doing: doing, Why: why, Err: err}
	}
	shared := &Trial{t}
	for _, a := range attempts {
		a.result.Trial = shared
	}
	return nil
}

// attachAll puts the images on their interfaces, one after the other, and
// takes back what it did if one of them fails.
func attachAll(attempts []*attempt, obj *codegen.Object, opts LoadOptions) error {
	s := state{
		Source: obj.Source, Digest: obj.Digest, Loaded: time.Now().Format(time.RFC3339),
		Mode: opts.Mode.String(), Rules: obj.Rules, Counters: counterStates(obj.Counters),
		Strategy: obj.Strategy, Target: obj.Target.Kernel, Counting: obj.Counting, ReadsTags: obj.ReadsTags != nil,
	}
	attempts = bySafety(attempts)
	for i, a := range attempts {
		s.Interfaces = a.interfaces
		err := a.attach(s, opts.Mode)
		if err == nil {
			continue
		}
		var left error
		for j := i; j >= 0; j-- {
			left = errors.Join(left, attempts[j].undo())
		}
		if left != nil {
			return &Error{Doing: "load " + obj.Source, Why: fmt.Sprintf("%v; then %v", err, left), Help: "see what is where: xdpfw status", Err: err}
		}
		return err
	}
	for _, a := range attempts {
		a.warnOf(a.finish(), "could not remove what the old rule set left")
	}
	return nil
}
