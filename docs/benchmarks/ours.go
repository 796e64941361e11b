package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

// parse the text of a rule file.
func parse(name string, text []byte) (*rules.RuleSet, error) {
	f, err := rules.Read(name, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	rs, diags := rules.ParseAndCheck(f)
	if rs == nil {
		return nil, fmt.Errorf("%s: %v", f.Name, diags)
	}
	return rs, nil
}

func readRules(path string) (*rules.RuleSet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(path, text)
}

// ours is a rule set that xdpfw compiled, in the kernel.
type ours struct {
	*loader.Runner
	object           *codegen.Object
	compiled, loaded time.Duration
	stats            loader.VerifierStats
}

// What takes less than quick is done a few times, and the fastest counts: the
// first time reads code into caches, and other processes disturb it.
const (
	quick    = 300 * time.Millisecond
	fewTimes = 3
)

// parseTimed is parse, and how long it takes.
func parseTimed(name string, text []byte) (rs *rules.RuleSet, fastest time.Duration, err error) {
	for range fewTimes {
		start := time.Now()
		if rs, err = parse(name, text); err != nil {
			return nil, 0, err
		}
		took := time.Since(start)
		if fastest == 0 || took < fastest {
			fastest = took
		}
		if took > quick {
			break
		}
	}
	return rs, fastest, nil
}

// compile and load a rule set. Close unloads it.
func compile(rs *rules.RuleSet, o codegen.Options) (*ours, error) {
	fastest, err := compileOnce(rs, o)
	for tries := 1; err == nil && tries < fewTimes && fastest.compiled+fastest.loaded < quick; tries++ {
		again, err := compileOnce(rs, o)
		if err != nil {
			fastest.Close()
			return nil, err
		}
		if again.compiled+again.loaded < fastest.compiled+fastest.loaded {
			fastest, again = again, fastest
		}
		again.Close()
	}
	if err != nil {
		return nil, err
	}
	if fastest.stats, err = loader.Verify(fastest.object); err != nil {
		fastest.Close()
		return nil, err
	}
	return fastest, nil
}

func compileOnce(rs *rules.RuleSet, o codegen.Options) (*ours, error) {
	start := time.Now()
	object, err := codegen.Compile(rs, o)
	if err != nil {
		return nil, err
	}
	compiled := time.Now()
	runner, err := loader.NewRunner(object)
	if err != nil {
		return nil, err
	}
	return &ours{Runner: runner, object: object, compiled: compiled.Sub(start), loaded: time.Since(compiled)}, nil
}

// describe the program in a record.
func (o *ours) describe(r *record) {
	r.Chosen = o.object.Strategy
	r.CompileSeconds, r.LoadSeconds = o.compiled.Seconds(), o.loaded.Seconds()
	r.Processed = o.stats.Processed
	most := 0
	for _, c := range o.object.Choices {
		if c.Rules > most {
			most, r.Expected = c.Rules, c.Nanoseconds
		}
	}
	for _, p := range o.object.Programs {
		for _, in := range p.Code {
			r.Instructions += int(in.Size() / 8)
		}
		r.Longest += p.Longest
	}
	for _, m := range o.object.Maps {
		if m.Lifetime == codegen.Frozen {
			r.TableBytes += uint64(m.Spec.ValueSize) * uint64(m.Spec.MaxEntries)
		}
	}
}
