package codegen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// listingVersion is the version of the text form below.
const listingVersion = 1

// Listing writes the Object as text for review: a head, the maps, and every
// instruction under the line of the rule that it serves. The same Object
// always gives the same bytes.
//
//	; rules.fw:4:1: drop tcp to port 80
//	ip4.rule1.else:
//	    31  71 60 09 00 00 00 00 00  r0 = *(u8 *)(r6 +9)            ; protocol
//	 offset  raw bytes               mnemonic                         meaning
//
// Offsets count slots of 8 bytes from the program's start. In the raw bytes
// the 32-bit field of a map reference is zero: the loader puts the map there.
func (o *Object) Listing(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "; xdpfw listing %d\n", listingVersion)
	fmt.Fprintf(out, "; source    %s, %d rules\n", o.Source, o.Rules)
	fmt.Fprintf(out, "; digest    %s\n", o.Digest)
	fmt.Fprintf(out, "; strategy  %s\n", o.Strategy)
	for _, c := range o.Choices {
		fmt.Fprintf(out, ";   %-8s%s\n", c.Kind, c.Why)
	}
	fmt.Fprintf(out, "; target    Linux %s and later, little-endian\n", o.Target.Kernel)
	for _, m := range o.Maps {
		fmt.Fprintf(out, "; map       %s\n", m.describe())
	}
	for i := range o.Programs {
		if err := o.listProgram(out, &o.Programs[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (m Map) describe() string {
	return fmt.Sprintf("%s: %s, %s, %d × %d bytes", m.Spec.Name, m.Lifetime, m.Spec.Type, m.Spec.MaxEntries, m.Spec.ValueSize)
}

// Slots is the length of the program in 8-byte slots, as the kernel counts.
func (p *Program) Slots() int {
	n := 0
	for i := range p.Code {
		n += rawSlots(p.Code[i].Instruction)
	}
	return n
}

func (o *Object) listProgram(out *bufio.Writer, p *Program) error {
	raw, err := p.Raw()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "; program   %s: %d instructions in %d slots, at most %d executed for one packet\n",
		p.Name, len(p.Code), p.Slots(), p.Longest)
	slot, last := 0, -1
	for i := range p.Code {
		ins := &p.Code[i]
		if ins.Origin != last {
			fmt.Fprintf(out, "\n; %s\n", o.Origins[ins.Origin])
			last = ins.Origin
		}
		if symbol := ins.Symbol(); symbol != "" {
			fmt.Fprintf(out, "%s:\n", symbol)
		}
		n := rawSlots(ins.Instruction)
		line := fmt.Sprintf("%6d  % x  %-36s", slot, raw[8*slot:8*slot+8], ins.Mnemonic())
		if ins.Comment != "" {
			line += "  ; " + ins.Comment
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
		if n == 2 {
			fmt.Fprintf(out, "%6s  % x\n", "", raw[8*slot+8:8*slot+16])
		}
		slot += n
	}
	return nil
}

// Raw is the program as the kernel takes it, little-endian, with zero for the
// file descriptors of maps.
func (p *Program) Raw() ([]byte, error) {
	var b bytes.Buffer
	if err := p.Instructions().Marshal(&b, binary.LittleEndian); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (o Origin) String() string {
	if o.Position.Line == 0 {
		return o.Text
	}
	return fmt.Sprintf("%v: %s", o.Position, o.Text)
}
