package codegen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// listingVersion is the version of the text form below.
const listingVersion = 2

// Listing writes the Object as text for review: a head, every instruction
// under the line of the rule that it serves, and what else the Object is of.
// The same Object always gives the same bytes. It is assembler source:
// Assemble makes the same Object of it, if it holds the tables' contents.
//
//	; rules.fw:4:1: drop tcp to port 80
//	ip4.rule1.else:
//	    31  71 60 09 00 00 00 00 00  r0 = *(u8 *)(r6 +9)            ; protocol
//	 offset  raw bytes               mnemonic                         meaning
//
// Offsets count slots of 8 bytes from the program's start. In the raw bytes
// the 32-bit field of a map reference is zero: the loader puts the map there.
// Lines that begin with a dot are directives, with an argument in JSON.
func (o *Object) Listing(w io.Writer, tables bool) error {
	out := bufio.NewWriter(w)
	file, err := o.file()
	if err != nil {
		return err
	}
	o.listHead(out)
	for i := range o.Programs {
		if err := o.listProgram(out, &o.Programs[i], &file.Programs[i]); err != nil {
			return err
		}
	}
	if err := file.listRest(out, tables); err != nil {
		return err
	}
	return out.Flush()
}

func (o *Object) listHead(out *bufio.Writer) {
	fmt.Fprintf(out, "%s%d\n", listingHead, listingVersion)
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
		p := &o.Programs[i]
		fmt.Fprintf(out, "; program   %s: %d instructions in %d slots, at most %d executed for one packet\n",
			p.Name, len(p.Code), p.Slots(), p.Longest)
	}
}

func (m Map) describe() string {
	return fmt.Sprintf("%s: %s, %s, %d × %d bytes", m.Spec.Name, m.Lifetime, m.Spec.Type, m.Spec.MaxEntries, m.Spec.ValueSize)
}

// Slots is the length of the program in 8-byte slots, as the kernel counts.
func (p *Program) Slots() int {
	n := 0
	for i := range p.Code {
		n += SlotsOf(p.Code[i].Instruction)
	}
	return n
}

func (o *Object) listProgram(out *bufio.Writer, p *Program, file *programFile) error {
	raw, err := p.Raw()
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := directive(out, programDirective, programLine{p.Name, p.Longest}); err != nil {
		return err
	}
	functions := map[int]functionLine{}
	for _, f := range file.Functions {
		functions[f.At] = functionLine{f.Name, f.Global, f.Parameters}
	}
	slot, last := 0, -1
	for i := range p.Code {
		ins := &p.Code[i]
		if ins.Origin != last {
			fmt.Fprintf(out, "\n; %s\n", o.Origins[ins.Origin])
			last = ins.Origin
		}
		if f, begins := functions[i]; begins {
			if err := directive(out, functionDirective, f); err != nil {
				return err
			}
		}
		listInstruction(out, ins, slot, raw)
		slot += SlotsOf(ins.Instruction)
	}
	return nil
}

func listInstruction(out *bufio.Writer, ins *Instruction, slot int, raw []byte) {
	if symbol := ins.Symbol(); symbol != "" {
		fmt.Fprintf(out, "%s:\n", symbol)
	}
	line := fmt.Sprintf("%6d  % x  %-36s", slot, raw[8*slot:8*slot+8], ins.Mnemonic())
	if ins.Comment != "" {
		line += "  ; " + ins.Comment
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
	if SlotsOf(ins.Instruction) == 2 {
		fmt.Fprintf(out, "%6s  % x\n", "", raw[8*slot+8:8*slot+16])
	}
}

// The directives.
const (
	programDirective  = ".program"  // the instructions behind it are a program's
	functionDirective = ".function" // the next instruction is the first of a function
	objectDirective   = ".object"
	originDirective   = ".origin" // a place that instructions serve, in their order
	counterDirective  = ".counter"
	mapDirective      = ".map"
	dataDirective     = ".data" // what a map holds: lines of an offset and bytes follow, all else is zero
	codeDirective     = ".code" // digest of programs and maps as they were compiled
)

type programLine struct {
	Name    string `json:"name"`
	Longest int    `json:"longest"`
}

type functionLine struct {
	Name       string   `json:"name"`
	Global     bool     `json:"global"`
	Parameters []string `json:"parameters"`
}

// A mapLine is a map without its contents.
type mapLine struct {
	mapFile
	Bytes int `json:"bytes"` // of contents
}

func directive(out *bufio.Writer, name string, argument any) error {
	fmt.Fprint(out, name, " ")
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(argument)
}

// listRest writes what stands behind the programs.
func (f *objectFile) listRest(out *bufio.Writer, tables bool) error {
	fmt.Fprint(out, "\n; what else is assembled\n")
	if err := directive(out, objectDirective, f.objectHead); err != nil {
		return err
	}
	for _, o := range f.Origins {
		if err := directive(out, originDirective, o); err != nil {
			return err
		}
	}
	for _, c := range f.Counters {
		if err := directive(out, counterDirective, c); err != nil {
			return err
		}
	}
	for _, m := range f.Maps {
		line := mapLine{m, len(m.Contents)}
		line.Contents = nil
		if err := directive(out, mapDirective, line); err != nil {
			return err
		}
		if tables && len(m.Contents) > 0 {
			if err := directive(out, dataDirective, m.Name); err != nil {
				return err
			}
			listData(out, m.Contents)
		}
	}
	digest, err := f.codeDigest()
	if err != nil {
		return err
	}
	return directive(out, codeDirective, digest)
}

// dataWidth is how many bytes a line of data has.
const dataWidth = 32

// listData leaves out lines of zeros, of which tables have many.
func listData(out *bufio.Writer, data []byte) {
	var zeros [dataWidth]byte
	for at := 0; at < len(data); at += dataWidth {
		if line := data[at:min(at+dataWidth, len(data))]; !bytes.Equal(line, zeros[:len(line)]) {
			fmt.Fprintf(out, "%8x  % x\n", at, line)
		}
	}
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
