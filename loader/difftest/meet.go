package difftest

import (
	"encoding/binary"

	"xdpfw/rules"
)

// meet is a value that all constraints on a place accept, or one just beyond
// one of them; the last try may well be refused.
func (p *pool) meet(wanted wantedValue) rules.Value {
	have := func() rules.Value { return p.anyValue(wanted.place) }
	return p.meetWithin(wanted.constraints, have, limitOf(wanted.place))
}

func (p *pool) meetWithin(cs []constraint, have func() rules.Value, limit rules.Value) rules.Value {
	miss := p.oneIn(12)
	var v rules.Value
	for range 8 {
		v = have()
		if !p.oneIn(4) {
			v = p.nearOne(cs[p.IntN(len(cs))], v, limit)
		}
		if miss || accepted(cs, v) {
			break
		}
	}
	return v
}

// nearOne is near one of the ranges and masks, if there are any.
func (p *pool) nearOne(c constraint, v, limit rules.Value) rules.Value {
	n := len(c.ranges) + len(c.masks)
	if n == 0 {
		return v
	}
	if i := p.IntN(n); i < len(c.ranges) {
		return p.near(c.ranges[i], limit)
	} else {
		return p.agree(c.masks[i-len(c.ranges)], v)
	}
}

// agree makes a value agree with a mask, in all of its bits but one at times.
func (p *pool) agree(m rules.Masked, v rules.Value) rules.Value {
	v.Hi = v.Hi&^m.Mask.Hi | m.Value.Hi
	v.Lo = v.Lo&^m.Mask.Lo | m.Value.Lo
	if p.oneIn(6) {
		bit := uint64(1) << p.IntN(64)
		if p.oneIn(2) {
			v.Hi ^= bit & m.Mask.Hi
		} else {
			v.Lo ^= bit & m.Mask.Lo
		}
	}
	return v
}

func accepted(cs []constraint, v rules.Value) bool {
	for i := range cs {
		if cs[i].holds(v) == cs[i].not {
			return false
		}
	}
	return true
}

func (c *constraint) holds(v rules.Value) bool {
	if rules.Contains(c.ranges, v) {
		return true
	}
	for _, m := range c.masks {
		if v.Hi&m.Mask.Hi == m.Value.Hi && v.Lo&m.Mask.Lo == m.Value.Lo {
			return true
		}
	}
	return false
}

// near is an end of the range, its middle, or just outside.
func (p *pool) near(r rules.Range, limit rules.Value) rules.Value {
	v := r.Lo
	switch p.IntN(6) {
	case 0:
		v = below(r.Lo)
	case 1:
		v = r.Hi
	case 2:
		v = above(r.Hi)
	case 3:
		if v.Hi == r.Hi.Hi {
			v.Lo += (r.Hi.Lo - v.Lo) / 2
		} else {
			v.Hi += (r.Hi.Hi - v.Hi) / 2
		}
	case 4:
		v = above(r.Lo)
	}
	v.Hi &= limit.Hi
	v.Lo &= limit.Lo
	return v
}

func below(v rules.Value) rules.Value {
	if v.Lo == 0 {
		v.Hi--
	}
	v.Lo--
	return v
}

func above(v rules.Value) rules.Value {
	v.Lo++
	if v.Lo == 0 {
		v.Hi++
	}
	return v
}

func value6(a [16]byte) rules.Value {
	return rules.Value{Hi: binary.BigEndian.Uint64(a[:]), Lo: binary.BigEndian.Uint64(a[8:])}
}

func bytes6(v rules.Value) (a [16]byte) {
	binary.BigEndian.PutUint64(a[:], v.Hi)
	binary.BigEndian.PutUint64(a[8:], v.Lo)
	return a
}
