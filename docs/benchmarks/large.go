package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
)

const classBenchFolder = "../../../shared/data/classbench"

// classBench is a filter set as a rule file.
func classBench(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(classBenchFolder, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, _, err := workload.ClassBench(f)
	return text, err
}

// large measures rule sets of ClassBench, and our own of the same shape where
// those end.
func large(b *benchmark) error {
	both := []workload.Kind{workload.Uniform, workload.Zipf}
	for _, name := range []string{"acl1_1k", "fw1_1k", "ipc1_1k", "acl1_10k", "fw1_10k", "ipc1_10k"} {
		text, err := classBench(name)
		if errors.Is(err, fs.ErrNotExist) {
			b.fail(record{Part: "large", Set: name}, "all", err)
			continue
		}
		if err != nil {
			return err
		}
		strategies := []string{"chain", "table", "auto"}
		if strings.HasSuffix(name, "_10k") { // what a chain of so many takes, the part "scale" shows
			strategies = []string{"auto"}
		}
		if err := b.text("large", name, text, 0, strategies, both...); err != nil {
			return err
		}
	}
	for _, of := range []struct {
		name string
		make func(n, family int, seed uint64) []byte
	}{{"acl", workload.ACL}, {"fw", workload.Firewall}, {"ipc", workload.Chain}} {
		if err := b.text("large", of.name+" 100k", of.make(100_000, 4, seed), 128<<20, []string{"auto"}, workload.Uniform); err != nil {
			return err
		}
	}
	return nil
}

// text of a rule file, compiled by strategies and measured with traffic of
// kinds.
func (b *benchmark) text(part, name string, text []byte, memory int64, strategies []string, kinds ...workload.Kind) error {
	rs, took, err := parseTimed(name, text)
	if err != nil {
		return err
	}
	s := subject{
		base: record{Part: part, Set: name, Rules: len(rs.Rules), ParseSeconds: took.Seconds()},
		rs:   rs, strategies: strategies, memory: memory, decide: workload.NewIndex(rs).Decide,
	}
	var traffics []traffic
	for _, kind := range kinds {
		frames, err := workload.Trace(rs, kind, bench.TraceLength, seed)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		traffics = append(traffics, traffic{kind.String(), sameLength(frames)})
	}
	return b.compare(s, traffics...)
}
