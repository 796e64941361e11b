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

// compile and load a rule set. Close unloads it.
func compile(rs *rules.RuleSet, o codegen.Options) (*ours, error) {
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
	out := &ours{Runner: runner, object: object, compiled: compiled.Sub(start), loaded: time.Since(compiled)}
	if out.stats, err = loader.Verify(object); err != nil {
		runner.Close()
		return nil, err
	}
	return out, nil
}

// describe the program in a record.
func (o *ours) describe(r *record) {
	r.Chosen = o.object.Strategy
	r.CompileSeconds, r.LoadSeconds = o.compiled.Seconds(), o.loaded.Seconds()
	r.Processed = o.stats.Processed
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
