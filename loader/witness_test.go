package loader

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
	"xdpfw/rules"
)

const witnessed = `default pass
count udp
drop udp to port 53
web: pass tcp from 10.0.0.0/8 to port { 80, 443 }
drop tcp to port 80
drop on %s icmp
drop len > 900
`

func compiledBy(t *testing.T, strategy, text string) (*rules.RuleSet, *codegen.Object) {
	t.Helper()
	rs, diags := rules.ParseAndCheck(rules.NewFile("rules.fw", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	obj, err := codegen.Compile(rs, codegen.Options{Strategy: strategy})
	if err != nil {
		t.Fatal(err)
	}
	return rs, obj
}

// The program as compiled is loaded, and starts to count at zero.
func TestSelfCheckPasses(t *testing.T) {
	ownMachine(t)
	const iface = "in0"
	vethPair(t, iface, "out0")
	for _, strategy := range codegen.Strategies {
		rs, obj := compiledBy(t, strategy, fmt.Sprintf(witnessed, iface))
		a := &attempt{named: iface}
		var err error
		if a.img, err = loadImage("check", obj, []int{1 << 20}); err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if err := a.selfCheck(obj, rs); err != nil {
			t.Errorf("%s: %v", strategy, err)
		}
		reader, err := newCounterReader(a.img.counters, len(obj.Counters))
		if err != nil {
			t.Fatal(err)
		}
		totals, err := reader.read()
		if err != nil {
			t.Fatal(err)
		}
		for slot, v := range totals {
			if v != (codegen.CounterValue{}) {
				t.Errorf("%s: %q has counted %v before the first packet arrived", strategy, obj.Counters[slot].Text, v)
			}
		}
	}
}

// A program that differs from the rules anywhere is not attached: each defect
// is one instruction or one byte of a table.
func TestSelfCheckRefuses(t *testing.T) {
	ownMachine(t)
	const iface = "in0"
	vethPair(t, iface, "out0")
	text := fmt.Sprintf(witnessed, iface)
	defects := []struct {
		name, strategy string
		plant          func(*codegen.Object) bool // whether there was a place for it
	}{
		{"another port", codegen.Chain, func(o *codegen.Object) bool {
			return replaceConstant(o, "drop udp to port 53", 53, 54) || replaceConstant(o, "drop udp to port 53", 53<<8, 54<<8)
		}},
		{"no rule on the interface", codegen.Chain, func(o *codegen.Object) bool {
			return onNoInterface(o)
		}},
		{"a boundary one off", codegen.Chain, func(o *codegen.Object) bool {
			return replaceConstant(o, "drop len > 900", 900, 901) || replaceConstant(o, "drop len > 900", 901, 902)
		}},
		{"two counters swapped", codegen.Chain, func(o *codegen.Object) bool {
			o.Counters[0], o.Counters[1] = o.Counters[1], o.Counters[0]
			return true
		}},
		{"a table of zeros", codegen.Table, func(o *codegen.Object) bool {
			for _, m := range o.Maps {
				if m.Lifetime == codegen.Frozen && len(m.Spec.Contents) > 0 {
					clear(m.Spec.Contents[0].Value.([]byte))
					return true
				}
			}
			return false
		}},
	}
	for _, d := range defects {
		rs, obj := compiledBy(t, d.strategy, text)
		for i := range obj.Maps {
			obj.Maps[i].Spec = obj.Maps[i].Spec.Copy()
			for j, kv := range obj.Maps[i].Spec.Contents {
				if b, ok := kv.Value.([]byte); ok {
					obj.Maps[i].Spec.Contents[j].Value = bytes.Clone(b)
				}
			}
		}
		if !d.plant(obj) {
			t.Errorf("%s: no place for it", d.name)
			continue
		}
		_, err := Load(obj, LoadOptions{Interfaces: []string{iface}, Force: true, Rules: rs})
		mustRefuse(t, err, "does not do what the rules say", "please report")
		if list, err := ListStatus(iface); err != nil || len(list) > 0 {
			t.Errorf("%s: attached all the same: %v, %v", d.name, list, err)
		}
		var refused *Error
		if errors.As(err, &refused) {
			t.Logf("%s: %s", d.name, refused.Why)
		}
	}
}

// replaceConstant in the instructions of a rule.
func replaceConstant(o *codegen.Object, rule string, from, to int64) (found bool) {
	code := o.Programs[0].Code
	for i := range code {
		if o.Origins[code[i].Origin].Text == rule && code[i].Constant == from {
			code[i].Constant, found = to, true
		}
	}
	return found
}

// onNoInterface makes every frame arrive on the interface 0, which is none.
func onNoInterface(o *codegen.Object) bool {
	code := o.Programs[0].Code
	i := slices.IndexFunc(code, func(in codegen.Instruction) bool { return in.Comment == "received on" })
	if i < 0 {
		return false
	}
	code[i].Instruction = asm.Mov.Imm(code[i].Dst, 0).WithSymbol(code[i].Symbol())
	return true
}
