package codegen

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"xdpfw/rules"
)

// An object file is an Object on disk:
//
//	0   8 bytes  "xdpfw\x00ob"
//	8   4 bytes  version of the format, big-endian
//	12           version 1: gzip of the JSON of objectFile
//
// Every later version keeps the first twelve bytes. The same Object always
// gives the same bytes, and reading them gives the same Object.
const (
	objectMagic   = "xdpfw\x00ob"
	objectVersion = 1
	objectHeader  = len(objectMagic) + 4
)

// IsObject says whether a file begins as object files do.
func IsObject(head []byte) bool { return bytes.HasPrefix(head, []byte(objectMagic)) }

type objectFile struct {
	objectHead
	Origins  []Origin      `json:"origins"`
	Counters []counterFile `json:"counters"`
	Maps     []mapFile     `json:"maps"`
	Programs []programFile `json:"programs"`
}

type objectHead struct {
	Source     string      `json:"source"`
	Digest     string      `json:"digest"`
	Rules      int         `json:"rules"`
	Strategy   string      `json:"strategy"`
	Why        string      `json:"why"`
	Target     string      `json:"target"`
	Counting   string      `json:"counting"`
	Choices    []Choice    `json:"choices"`
	Interfaces []Interface `json:"interfaces"`
	ReadsTags  *Origin     `json:"reads_tags,omitempty"`
}

type counterFile struct {
	Rule    int    `json:"rule"`
	Key     string `json:"key"`
	Name    string `json:"name"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Verdict string `json:"verdict"`
}

type mapFile struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Lifetime   string `json:"lifetime"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
	Contents   []byte `json:"contents,omitempty"` // of the only element
}

type programFile struct {
	Name         string            `json:"name"`
	Longest      int               `json:"longest"`
	Functions    []function        `json:"functions,omitempty"`
	Instructions []instructionFile `json:"instructions"`
}

type instructionFile struct {
	OpCode    uint16 `json:"op"`
	Dst       uint8  `json:"dst,omitempty"`
	Src       uint8  `json:"src,omitempty"`
	Offset    int16  `json:"off,omitempty"`
	Constant  int64  `json:"imm,omitempty"`
	Label     string `json:"label,omitempty"`
	Reference string `json:"ref,omitempty"` // a label or a map
	Origin    int    `json:"origin,omitempty"`
	Comment   string `json:"comment,omitempty"`
}

// mapTypes are the words of the format for types of maps.
var mapTypes = map[string]ebpf.MapType{"array": ebpf.Array, "percpu-array": ebpf.PerCPUArray}

func mapTypeName(kind ebpf.MapType) (string, error) {
	for name, k := range mapTypes {
		if k == kind {
			return name, nil
		}
	}
	return "", fmt.Errorf("object files have no word for %v", kind)
}

// Encode writes the Object as an object file.
func (o *Object) Encode(w io.Writer) error {
	f, err := o.file()
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte(objectMagic), objectVersion)
	if _, err := w.Write(head); err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	return errors.Join(json.NewEncoder(z).Encode(f), z.Close())
}

// file is the Object as files hold it.
func (o *Object) file() (*objectFile, error) {
	f := &objectFile{
		objectHead: objectHead{
			Source: o.Source, Digest: o.Digest, Rules: o.Rules, Strategy: o.Strategy, Why: o.Why,
			Target: o.Target.Kernel, Counting: o.Counting, Choices: o.Choices, Interfaces: o.Interfaces, ReadsTags: o.ReadsTags,
		},
		Origins: o.Origins,
	}
	for _, c := range o.Counters {
		f.Counters = append(f.Counters, counterFile{c.Rule, c.Key, c.Name, c.Source, c.Line, c.Text, c.Verdict.String()})
	}
	for _, m := range o.Maps {
		encoded, err := encodeMap(m)
		if err != nil {
			return nil, err
		}
		f.Maps = append(f.Maps, encoded)
	}
	for i := range o.Programs {
		f.Programs = append(f.Programs, encodeProgram(&o.Programs[i]))
	}
	return f, nil
}

// codeDigest is what the file does to packets, in short: a digest of its
// programs and maps.
func (f *objectFile) codeDigest() (string, error) {
	h := sha256.New()
	err := json.NewEncoder(h).Encode(struct {
		Maps     []mapFile
		Programs []programFile
	}{f.Maps, f.Programs})
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), err
}

func encodeMap(m Map) (mapFile, error) {
	kind, err := mapTypeName(m.Spec.Type)
	f := mapFile{Name: m.Spec.Name, Type: kind, Lifetime: m.Lifetime.String(), ValueSize: m.Spec.ValueSize, MaxEntries: m.Spec.MaxEntries}
	if err != nil {
		return f, fmt.Errorf("map %s: %w", m.Spec.Name, err)
	}
	if m.Spec.KeySize != 4 || m.Spec.Flags != 0 {
		return f, fmt.Errorf("map %s: object files hold arrays without flags", m.Spec.Name)
	}
	f.Contents = m.Contents()
	if n := len(m.Spec.Contents); n > 1 || n == 1 && f.Contents == nil {
		return f, fmt.Errorf("map %s: object files hold one element of bytes", m.Spec.Name)
	}
	return f, nil
}

// Contents is what the only element of a map holds, if it holds something.
func (m Map) Contents() []byte {
	if len(m.Spec.Contents) != 1 || m.Spec.Contents[0].Key != uint32(0) {
		return nil
	}
	value, _ := m.Spec.Contents[0].Value.([]byte)
	return value
}

func encodeProgram(p *Program) programFile {
	f := programFile{Name: p.Name, Longest: p.Longest, Functions: functionsOf(p)}
	for i := range p.Code {
		in := &p.Code[i]
		f.Instructions = append(f.Instructions, instructionFile{
			uint16(in.OpCode), uint8(in.Dst), uint8(in.Src), in.Offset, in.Constant, in.Symbol(), in.Reference(), in.Origin, in.Comment,
		})
	}
	return f
}

// mostObjectBytes of JSON are read from an object file; more than any rule set
// within the limits of the language comes to.
const mostObjectBytes = 4 << 30

// DecodeObject reads an object file. What it gives can be printed and loaded;
// whether it is safe is for the kernel's verifier to say.
func DecodeObject(file []byte) (*Object, error) {
	if !IsObject(file) || len(file) < objectHeader {
		return nil, errors.New("it is no object file of xdpfw")
	}
	if version := binary.BigEndian.Uint32(file[len(objectMagic):]); version != objectVersion {
		return nil, fmt.Errorf("it is an object file of version %d, written by another xdpfw; this one reads version %d: compile the rules again", version, objectVersion)
	}
	z, err := gzip.NewReader(bytes.NewReader(file[objectHeader:]))
	if err != nil {
		return nil, fmt.Errorf("the object file is damaged: %w", err)
	}
	var f objectFile
	d := json.NewDecoder(io.LimitReader(z, mostObjectBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("the object file is damaged: %w", err)
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // up to the checksum
		return nil, fmt.Errorf("the object file is damaged: %w", err)
	}
	o, err := f.object()
	if err != nil {
		return nil, fmt.Errorf("the object file is damaged: %w", err)
	}
	return o, nil
}

func (f *objectFile) object() (*Object, error) {
	target, err := ParseTarget(f.Target)
	if err != nil {
		return nil, err
	}
	o := &Object{
		Source: f.Source, Digest: f.Digest, Rules: f.Rules, Strategy: f.Strategy, Why: f.Why,
		Target: target, Counting: f.Counting, Choices: f.Choices, Origins: f.Origins, Interfaces: f.Interfaces, ReadsTags: f.ReadsTags,
	}
	for _, c := range f.Counters {
		verdict, ok := rules.VerdictNamed(c.Verdict)
		if !ok {
			return nil, fmt.Errorf("%q is no verdict", c.Verdict)
		}
		o.Counters = append(o.Counters, Counter{c.Rule, c.Key, c.Name, c.Source, c.Line, c.Text, verdict})
	}
	for _, m := range f.Maps {
		decoded, err := m.decode()
		if err != nil {
			return nil, fmt.Errorf("map %q: %w", m.Name, err)
		}
		o.Maps = append(o.Maps, decoded)
	}
	for _, p := range f.Programs {
		decoded, err := p.decode()
		if err != nil {
			return nil, fmt.Errorf("program %q: %w", p.Name, err)
		}
		o.Programs = append(o.Programs, decoded)
	}
	return o, o.whole()
}

func (m *mapFile) decode() (Map, error) {
	kind, ok := mapTypes[m.Type]
	lifetime, ok2 := lifetimeNamed(m.Lifetime)
	switch {
	case !ok:
		return Map{}, fmt.Errorf("%q is no type of maps", m.Type)
	case !ok2:
		return Map{}, fmt.Errorf("%q is no lifetime", m.Lifetime)
	case len(m.Contents) > 0 && (len(m.Contents) != int(m.ValueSize) || m.MaxEntries != 1):
		return Map{}, fmt.Errorf("%d bytes for %d elements of %d", len(m.Contents), m.MaxEntries, m.ValueSize)
	}
	spec := &ebpf.MapSpec{Name: m.Name, Type: kind, KeySize: 4, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries}
	if len(m.Contents) > 0 {
		spec.Contents = []ebpf.MapKV{{Key: uint32(0), Value: m.Contents}}
	}
	return Map{lifetime, spec}, nil
}

func (f *programFile) decode() (Program, error) {
	p := Program{Name: f.Name, Longest: f.Longest, Code: make([]Instruction, len(f.Instructions))}
	for i, in := range f.Instructions {
		insn := asm.Instruction{OpCode: asm.OpCode(in.OpCode), Dst: asm.Register(in.Dst), Src: asm.Register(in.Src), Offset: in.Offset, Constant: in.Constant}
		if in.Label != "" {
			insn = insn.WithSymbol(in.Label)
		}
		if in.Reference != "" {
			insn = insn.WithReference(in.Reference)
		}
		p.Code[i] = Instruction{insn, in.Origin, in.Comment}
	}
	for _, fn := range f.Functions {
		if fn.At < 0 || fn.At >= len(p.Code) {
			return p, fmt.Errorf("function %q is behind its end", fn.Name)
		}
		p.Code[fn.At].Instruction = fn.describe(p.Code[fn.At].Instruction)
	}
	return p, nil
}

// whole says what keeps an Object from being printed or loaded: places that are
// named and are not there.
func (o *Object) whole() error {
	if len(o.Programs) == 0 || len(o.Origins) == 0 {
		return errors.New("it holds no program")
	}
	names := map[string]bool{}
	for _, m := range o.Maps {
		names[m.Spec.Name] = true
	}
	for _, i := range o.Interfaces {
		if i.Origin < 0 || i.Origin >= len(o.Origins) {
			return fmt.Errorf("interface %q is of no rule", i.Name)
		}
	}
	for i := range o.Programs {
		p := &o.Programs[i]
		labels := map[string]bool{}
		for j := range p.Code {
			labels[p.Code[j].Symbol()] = true
		}
		for j := range p.Code {
			in := &p.Code[j]
			if in.Origin < 0 || in.Origin >= len(o.Origins) {
				return fmt.Errorf("instruction %d of program %s is of no rule", j, p.Name)
			}
			if ref := in.Reference(); ref != "" && !labels[ref] && !names[ref] {
				return fmt.Errorf("instruction %d of program %s refers to %q, which is not there", j, p.Name, ref)
			}
		}
		if len(p.Code) == 0 {
			return fmt.Errorf("program %s has no instruction", p.Name)
		}
	}
	return nil
}
