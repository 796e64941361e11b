package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
)

// lists measures block lists of prefixes, against the kernel's own trie.
func lists(b *benchmark) error {
	for _, list := range []struct {
		name     string
		prefixes []netip.Prefix
	}{
		{"1M IPv4", workload.Prefixes4(1_000_000, seed)},
		{"200k IPv6", workload.Prefixes6(200_000, seed)},
	} {
		if err := b.list(list.name, list.prefixes); err != nil {
			return fmt.Errorf("%s: %w", list.name, err)
		}
	}
	return nil
}

func (b *benchmark) list(name string, prefixes []netip.Prefix) error {
	rs, parsed, err := parseTimed(name, workload.BlockList(prefixes))
	if err != nil {
		return err
	}
	base := record{Part: "lists", Set: name, Rules: len(prefixes), ParseSeconds: parsed.Seconds()}
	frames, err := workload.Trace(rs, workload.Uniform, bench.TraceLength, seed)
	if err != nil {
		return err
	}
	start := time.Now()
	c, err := lpm(prefixes)
	if err != nil {
		return err
	}
	defer c.Close()
	took := time.Since(start)
	trie := candidate{bench.Subject{Name: "LPM trie", Program: c.Programs["program"]}, func(r *record) {
		r.LoadSeconds = took.Seconds()
		r.TableBytes = memoryOf(c.Maps["trie4"]) + memoryOf(c.Maps["trie6"])
	}}
	decide := workload.NewIndex(rs).Decide
	if err := agree(trie.Program, rs, decide, frames[:2000], countedIn(c, rs)); err != nil {
		return fmt.Errorf("c/lpm.c: %w", err)
	}
	return b.compare(subject{
		base: base, rs: rs, decide: decide, strategies: []string{"table", "auto"}, others: []candidate{trie},
	}, traffic{workload.Uniform.String(), sameLength(frames)})
}

// lpm is c/lpm.c, with the prefixes in its tries.
func lpm(prefixes []netip.Prefix) (*ebpf.Collection, error) {
	var keys4, keys6 [][]byte
	for _, p := range prefixes {
		key := append(binary.NativeEndian.AppendUint32(nil, uint32(p.Bits())), p.Addr().AsSlice()...)
		if p.Addr().Is4() {
			keys4 = append(keys4, key)
		} else {
			keys6 = append(keys6, key)
		}
	}
	c, err := clang("c/lpm.c", map[string]int{"trie4": len(keys4), "trie6": len(keys6)})
	if err != nil {
		return nil, err
	}
	for name, keys := range map[string][][]byte{"trie4": keys4, "trie6": keys6} {
		if err := fill(c.Maps[name], keys); err != nil {
			c.Close()
			return nil, fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return c, nil
}

// fill a map with keys whose value is 1.
func fill(m *ebpf.Map, keys [][]byte) error {
	one := make([]byte, m.ValueSize())
	binary.NativeEndian.PutUint32(one, 1)
	for _, key := range keys {
		if err := m.Put(key, one); err != nil {
			return err
		}
	}
	return nil
}

// memoryOf a map, as the kernel says.
func memoryOf(m *ebpf.Map) uint64 {
	info, err := m.Info()
	if err != nil {
		return 0
	}
	bytes, _ := info.Memlock()
	return bytes
}
