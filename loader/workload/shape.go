package workload

import "math/rand/v2"

// A Shape is rule files of one kind, of any size.
type Shape struct {
	Name string

	// OneRule: a rule file is one rule over a set of n prefixes. Otherwise it is
	// n rules, or as many as the shape has room for.
	OneRule bool

	Text func(n int, seed uint64) []byte
}

// Shapes are those that rule files of users have.
func Shapes() []Shape {
	return []Shape{
		{"acl4", false, func(n int, seed uint64) []byte { return ACL(n, 4, seed) }},
		{"acl6", false, func(n int, seed uint64) []byte { return ACL(n, 6, seed) }},
		{"firewall4", false, func(n int, seed uint64) []byte { return Firewall(n, 4, seed) }},
		{"firewall6", false, func(n int, seed uint64) []byte { return Firewall(n, 6, seed) }},
		{"chain4", false, func(n int, seed uint64) []byte { return Chain(n, 4, seed) }},
		{"chain6", false, func(n int, seed uint64) []byte { return Chain(n, 6, seed) }},
		{"block-list4", true, func(n int, seed uint64) []byte { return BlockList(Prefixes4(n, seed)) }},
		{"block-list6", true, func(n int, seed uint64) []byte { return BlockList(Prefixes6(n, seed)) }},
		{"hosts4", true, func(n int, seed uint64) []byte { return BlockList(Hosts4(n, seed)) }},
		{"hosts6", true, func(n int, seed uint64) []byte { return BlockList(Hosts6(n, seed)) }},
		{"ports", false, Ports},
		{"macs", false, MACs},
		{"lengths", false, Lengths},
	}
}

// newRand is the generator of a shape; no two shapes have the same.
func newRand(shape, seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0x7368617065<<16|shape))
}

// The numbers that newRand knows shapes by.
const (
	aclShape uint64 = iota
	firewallShape
	chainShape
	prefixes4Shape
	prefixes6Shape
	hosts4Shape
	hosts6Shape
	portsShape
	macsShape
	lengthsShape
	hostileShape
)

// A share is a choice and how often it is taken, in any unit.
type share[T any] struct {
	of   T
	part int
}

// choose one.
func choose[T any](r *rand.Rand, from []share[T]) T {
	sum := 0
	for i := range from {
		sum += from[i].part
	}
	n := r.IntN(sum)
	for i := range from {
		if n -= from[i].part; n < 0 {
			return from[i].of
		}
	}
	panic("workload: no choice")
}
