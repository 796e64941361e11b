package loader

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"xdpfw/codegen"
)

// What the names that rules use stand for is found out when the rules are
// loaded, in the network namespace of that moment. For verification and test
// runs they stand for nothing, so that the answer is the same on every host.

// findInterfaces are the indexes of the interfaces that rules name.
func findInterfaces(doing string, obj *codegen.Object) ([]int, error) {
	indexes := make([]int, len(obj.Interfaces))
	for i, named := range obj.Interfaces {
		d, err := findDevice(doing, named.Name)
		if err != nil {
			return nil, namedBy(err, obj.Origins[named.Origin])
		}
		if j := slices.Index(indexes[:i], d.index); j >= 0 {
			why := fmt.Sprintf("%s and %s are two names of one interface", obj.Interfaces[j].Name, named.Name)
			return nil, namedBy(&Error{Doing: doing, Why: why, Help: "call it by one of them in all rules"}, obj.Origins[named.Origin])
		}
		indexes[i] = d.index
	}
	return indexes, nil
}

// namedBy adds to an error about an interface which rule asks for it.
func namedBy(err error, by codegen.Origin) error {
	e, ok := err.(*Error)
	if !ok || by.Position.Line == 0 {
		return err
	}
	named := *e
	named.Why = fmt.Sprintf("%s; the rule at %s:%d, %q, names it", e.Why, by.Position.File, by.Position.Line, by.Text)
	return &named
}

// The loopback has this index in every network namespace, and is where frames
// of test runs arrive (net/bpf/test_run.c).
const loopbackIndex = 1

// madeUp are indexes that no interface has, but that of the frame's own, which
// is the loopback's; "" is for frames that arrive on none of those named.
func madeUp(obj *codegen.Object, own string) []int {
	const none = 1 << 30 // the kernel counts up from 1
	indexes := make([]int, len(obj.Interfaces))
	for i, named := range obj.Interfaces {
		indexes[i] = none + i
		if named.Name == own {
			indexes[i] = loopbackIndex
		}
	}
	return indexes
}

// ownInterface is the name that rules have for a device; "" if they have none.
func ownInterface(obj *codegen.Object, indexes []int, d device) string {
	if i := slices.Index(indexes, d.index); i >= 0 {
		return obj.Interfaces[i].Name
	}
	return ""
}

// setInterfaces fills the map of the indexes.
func setInterfaces(spec *ebpf.CollectionSpec, indexes []int) {
	m := spec.Maps[codegen.InterfaceMap]
	if m == nil {
		return
	}
	var value []byte
	for _, index := range indexes {
		value = binary.NativeEndian.AppendUint32(value, uint32(index))
	}
	m.Contents = []ebpf.MapKV{{Key: uint32(0), Value: value}}
}
