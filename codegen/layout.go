package codegen

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"
)

// finish resolves the labels: jumps that reach too far are led over islands,
// and the rest of the compiler sees instructions with symbols.
func (b *builder) finish(name string) (Program, error) {
	for _, l := range b.labels {
		if l.at < 0 {
			continue // never bound, and below: never jumped to
		}
		if l.at >= len(b.code) {
			return Program{}, fmt.Errorf("codegen: label %s is bound behind the end", l.name)
		}
	}
	for i, to := range b.targets {
		if to != noLabel && b.labels[to].at < 0 {
			return Program{}, fmt.Errorf("codegen: instruction %d jumps to %s, which is nowhere", i, b.labels[to].name)
		}
	}
	for b.insertIslands() {
	}
	p := Program{Name: name, Code: b.code}
	p.Longest = b.longest()
	b.nameLabels()
	return p, nil
}

// maxJump is how far a jump reaches: its offset is a signed 16-bit number of
// 8-byte slots behind the jump itself, and asm wraps it silently.
const maxJump = 32767

// islandGrid is the distance of the places where islands are put, in slots:
// coarse, so that all jumps of a stretch to one target share an island, and
// less than half of maxJump, so that the next place but one is always within
// reach, also after islands have moved things apart.
const islandGrid = 15000

// slots are the offsets of the instructions in 8-byte slots, and at the end
// the length of the program: a 64-bit constant takes two.
func (b *builder) slots() []int {
	out := make([]int, len(b.code)+1)
	for i := range b.code {
		out[i+1] = out[i] + SlotsOf(b.code[i].Instruction)
	}
	return out
}

// SlotsOf an instruction: those of eight bytes that it takes, 1 or 2.
func SlotsOf(ins asm.Instruction) int { return int(ins.Size() / asm.InstructionSize) }

// distances are slots as jumps have to count them: the verifier replaces some
// instructions by several, and refuses a program in which a jump no longer
// reaches then (kernel/bpf/core.c, bpf_adj_branches). It inlines look-ups in
// arrays (map_gen_lookup; ten instructions in 6.18), and takes three for the
// index of the interface (net/core/filter.c, xdp_convert_ctx_access).
func (b *builder) distances() []int {
	out := make([]int, len(b.code)+1)
	for i := range b.code {
		n := SlotsOf(b.code[i].Instruction)
		switch ins := b.code[i].Instruction; {
		case ins.IsBuiltinCall():
			n = 16
		case ins == receivedOn(ins.Dst):
			n = 3
		}
		out[i+1] = out[i] + n
	}
	return out
}

// insertIslands leads the jumps that reach too far over an island: a jump put
// where no control falls through, as near to the target as the first jump
// reaches, or one that an earlier round has put there. False if there was none
// to lead.
//
// Only jumps forward can reach far: the one loop is short.
func (b *builder) insertIslands() bool {
	at := b.distances()
	var made []island
	var places []int
	led := false
	for i, to := range b.targets {
		if to == noLabel || at[b.labels[to].at]-at[i]-1 <= maxJump {
			continue
		}
		led = true
		if via, ok := b.viaInReach(at, i, to); ok {
			b.targets[i] = via
			continue
		}
		if places == nil {
			places = b.islandPlaces()
		}
		pos, isPlace := placeFor(places, at, i)
		if !isPlace { // make it one: what falls through goes over the islands
			over := b.newLabel("over")
			b.labels[over].at = pos
			made = append(made, island{pos, over, b.newLabel("hop")})
			n, _ := slices.BinarySearch(places, pos)
			places = slices.Insert(places, n, pos)
		}
		n := slices.IndexFunc(made, func(x island) bool { return x.pos == pos && x.target == to })
		if n < 0 {
			n = len(made)
			made = append(made, island{pos, to, b.newLabel("%s.via", b.labels[to].name)})
		}
		b.targets[i] = made[n].via
	}
	slices.SortStableFunc(made, func(x, y island) int { return x.pos - y.pos })
	b.splice(made)
	for _, is := range made {
		b.vias[is.target] = append(b.vias[is.target], is.via)
	}
	return led
}

// An island is a jump to target that stands before the instruction at pos.
type island struct {
	pos    int
	target label
	via    label // its own label
}

// viaInReach is the farthest island on the way from jump i to a label.
func (b *builder) viaInReach(at []int, i int, to label) (via label, ok bool) {
	best := at[i] + 1
	for _, v := range b.vias[to] {
		if p := at[b.labels[v].at]; p > best && p-at[i]-1 <= maxJump {
			best, via, ok = p, v, true
		}
	}
	return via, ok
}

// islandPlaces are the indexes that control never falls into.
func (b *builder) islandPlaces() []int {
	var out []int
	for i := range b.code {
		if endsFlow(b.code[i].Instruction) && i+1 < len(b.code) {
			out = append(out, i+1)
		}
	}
	return out
}

// placeFor is the last place before the last grid line that jump i reaches. If
// there is none, as within a rule that compares with thousands of masks, it is
// the index where one can be made.
func placeFor(places, at []int, i int) (pos int, isPlace bool) {
	line := (at[i] + 2*islandGrid) / islandGrid * islandGrid
	n, _ := slices.BinarySearchFunc(places, line, func(p, limit int) int { return at[p] - limit })
	if n > 0 && places[n-1] > i+1 {
		return places[n-1], true
	}
	pos, _ = slices.BinarySearch(at, line)
	return pos - 1, false
}

// splice puts islands in; they are sorted by position.
func (b *builder) splice(islands []island) {
	moved := func(i int) int { // how many go in at or before index i
		n, _ := slices.BinarySearchFunc(islands, i+1, func(is island, i int) int { return is.pos - i })
		return n
	}
	for l := range b.labels {
		if b.labels[l].at >= 0 {
			b.labels[l].at += moved(b.labels[l].at)
		}
	}
	loops := make(map[int]int, len(b.loops))
	for i, bound := range b.loops {
		loops[i+moved(i)] = bound
	}
	b.loops = loops
	code := make([]Instruction, 0, len(b.code)+len(islands))
	targets := make([]label, 0, cap(code))
	for i := range b.code {
		for len(islands) > 0 && islands[0].pos == i {
			b.labels[islands[0].via].at = len(code)
			code = append(code, Instruction{Instruction: asm.Ja.Label(""), Comment: "too far for one jump"})
			targets = append(targets, islands[0].target)
			islands = islands[1:]
		}
		code = append(code, b.code[i])
		targets = append(targets, b.targets[i])
	}
	b.code, b.targets = code, targets
}

// longest is the most instructions that one packet can execute: the longest
// way through the program, with each loop taken as often as it may be.
func (b *builder) longest() int {
	bound := 0
	for _, n := range b.loops {
		bound = max(bound, n)
	}
	var before, now []int // by instruction: the longest way from there, with one loop turn less and as many
	for turn := 0; turn <= bound; turn++ {
		before, now = now, make([]int, len(b.code)+1)
		for i := len(b.code) - 1; i >= 0; i-- {
			best := 0
			if !endsFlow(b.code[i].Instruction) {
				best = now[i+1]
			}
			if to := b.targets[i]; to != noLabel {
				t := b.labels[to].at
				if t > i {
					best = max(best, now[t])
				} else if before != nil {
					best = max(best, before[t])
				}
			}
			if now[i] = best + 1; b.code[i].IsFunctionCall() {
				now[i] += b.called
			}
		}
	}
	return now[0]
}

// nameLabels writes the labels into the instructions as symbols: one a place,
// unique, and only where something jumps to.
func (b *builder) nameLabels() {
	nameAt := map[int]string{}
	used := map[string]int{}
	for i, to := range b.targets {
		if to == noLabel {
			continue
		}
		at := b.labels[to].at
		if nameAt[at] == "" {
			name := b.labels[to].name
			if used[name]++; used[name] > 1 {
				name = fmt.Sprintf("%s.%d", name, used[name])
			}
			nameAt[at] = name
			b.code[at].Instruction = b.code[at].WithSymbol(name)
		}
		b.code[i].Instruction = b.code[i].WithReference(nameAt[at])
	}
}
