package main

import (
	"encoding/binary"
	"math/rand/v2"

	"xdpfw/loader/bench"
	"xdpfw/loader/workload"
	"xdpfw/rules"
)

const seed = 2026

// varied traffic for a small rule set: half of the packets are within a random
// rule, the others near the boundary of one, or within none.
func varied(rs *rules.RuleSet) ([][]byte, error) {
	var all [][]byte
	for _, part := range []struct {
		kind  workload.Kind
		share int
	}{{workload.Uniform, 2}, {workload.NearBoundary, 4}, {workload.NoMatch, 4}} {
		frames, err := workload.Trace(rs, part.kind, bench.TraceLength/part.share, seed)
		if err != nil {
			return nil, err
		}
		all = append(all, frames...)
	}
	rand.New(rand.NewPCG(seed, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return sameLength(all), nil
}

// sameLength pads frames to the length of the longest: to change the length takes
// the driver longer than a small program takes.
func sameLength(frames [][]byte) [][]byte {
	longest := 0
	for _, f := range frames {
		longest = max(longest, len(f))
	}
	for i, f := range frames {
		frames[i] = append(f, make([]byte, longest-len(f))...)
	}
	return frames
}

// damaged frames: with up to three tags, cut anywhere or one byte before the end of
// the IP packet, with another byte or bit in the headers.
func damaged(frames [][]byte, n int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([][]byte, n)
	for i := range out {
		f := frames[r.IntN(len(frames))]
		tagged := append([]byte(nil), f[:12]...)
		if r.IntN(3) == 0 {
			for range 1 + r.IntN(3) {
				tag := [][]byte{{0x81, 0}, {0x88, 0xa8}, {0x91, 0}}[r.IntN(3)]
				const priorities, id = 0xf0, 100 // an id that rules name
				tagged = append(append(tagged, tag...), byte(r.Uint32())&priorities, []byte{id, byte(r.Uint32())}[r.IntN(2)])
			}
		}
		f = append(tagged, f[12:]...)
		const headers = 80
		at := 12 + r.IntN(min(len(f), headers)-12)
		switch r.IntN(5) {
		case 0:
			f = f[:14+r.IntN(len(f)-13)]
		case 1:
			f[at] = byte(r.Uint32())
		case 2:
			f[at] ^= 1 << r.IntN(8)
		case 3:
			if end := endOfIP(f); end > 14 && end <= len(f) {
				f = f[:end-1]
			}
		}
		out[i] = f
	}
	return out
}

// endOfIP is the offset behind the IP packet in a frame without tags, as its header
// says; 0 if there is none.
func endOfIP(f []byte) int {
	const ethernet, ip6 = 14, 40
	if len(f) < ethernet+ip6 {
		return 0
	}
	switch binary.BigEndian.Uint16(f[12:]) {
	case 0x0800:
		return ethernet + int(binary.BigEndian.Uint16(f[ethernet+2:]))
	case 0x86dd:
		return ethernet + ip6 + int(binary.BigEndian.Uint16(f[ethernet+4:]))
	}
	return 0
}

// checked are frames to hold programs against the reference with: some as they
// are, more of them damaged.
func checked(frames [][]byte) [][]byte {
	const whole, broken = 5_000, 15_000
	return append(damaged(frames, broken), frames[:whole]...)
}
