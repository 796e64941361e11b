package codegen

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"
)

// instructionLine reads "offset, raw bytes, mnemonic", the first two of which
// may be missing, or the second half of a wide constant's bytes alone.
func (a *assembler) instructionLine(l line, comment string) {
	first, rest := l.word()
	if _, err := strconv.ParseUint(first.text, 10, 32); err == nil && !isByte(first.text) || err == nil && offsetStands(rest) {
		l = rest.trim()
	}
	raw, mnemonic, ok := a.rawBytes(l)
	if !ok {
		return
	}
	if mnemonic.text == "" {
		a.secondHalf(l, raw)
		return
	}
	a.wide = nil
	if a.program < 0 {
		a.outside(mnemonic)
		return
	}
	ins, reference, ok := a.mnemonic(mnemonic)
	if !ok {
		return
	}
	if raw != nil && !a.agrees(line{l.text[:mnemonic.at-l.at], l.at}.trim(), raw, mnemonic, ins) {
		return
	}
	program := &a.object.Programs[a.program]
	if a.function != nil {
		a.function.At = len(program.Instructions)
		program.Functions = append(program.Functions, *a.function)
		a.function = nil
	}
	a.places = append(a.places, place{a.program, mnemonic, reference, a.origin})
	program.Instructions = append(program.Instructions, instructionFile{
		OpCode: uint16(ins.OpCode), Dst: uint8(ins.Dst), Src: uint8(ins.Src), Offset: ins.Offset, Constant: ins.Constant,
		Label: a.label.text, Reference: reference.text, Comment: comment,
	})
	a.label = line{}
}

// isByte says that a word is one of the raw bytes.
func isByte(word string) bool {
	_, err := hex.DecodeString(word)
	return len(word) == 2 && err == nil
}

// offsetStands says of what follows a number of two digits that the number is
// the offset: what follows are eight bytes, or none.
func offsetStands(rest line) bool {
	n := 0
	for word, rest := rest.word(); isByte(word.text); word, rest = rest.word() {
		n++
	}
	return n != asm.InstructionSize-1
}

// rawBytes are the eight bytes in front of a mnemonic, if there are some.
func (a *assembler) rawBytes(l line) (raw []byte, mnemonic line, ok bool) {
	mnemonic = l
	for {
		word, rest := mnemonic.word()
		if !isByte(word.text) {
			break
		}
		b, _ := hex.DecodeString(word.text)
		raw, mnemonic = append(raw, b...), rest
	}
	mnemonic = mnemonic.trim()
	if len(raw) != 0 && len(raw) != asm.InstructionSize {
		a.errorf(l, "raw", "%d raw bytes, where an instruction has 8, or none may stand", len(raw))
		return nil, mnemonic, false
	}
	return raw, mnemonic, true
}

// secondHalf is the line with the other bytes of a wide constant.
func (a *assembler) secondHalf(l line, raw []byte) {
	if !bytes.Equal(raw, a.wide) || raw == nil {
		a.errorf(l, "raw", "bytes without a mnemonic, which are not the second half of the constant above").Help = "raw bytes may be left out"
	}
	a.wide = nil
}

// agrees says that the raw bytes are those of the instruction, but for how far
// it jumps, which depends on what stands in between.
func (a *assembler) agrees(at line, raw []byte, mnemonic line, ins asm.Instruction) bool {
	var b bytes.Buffer
	if _, err := ins.Marshal(&b, binary.LittleEndian); err != nil {
		a.errorf(mnemonic, "mnemonic", "%q has no bytes: %v", mnemonic.text, err)
		return false
	}
	want := b.Bytes()
	got := bytes.Clone(raw)
	if ins.OpCode.Class().IsJump() {
		copy(got[2:4], want[2:4])
	}
	if ins.IsFunctionCall() {
		copy(got[4:8], want[4:8])
	}
	if !bytes.Equal(got, want[:asm.InstructionSize]) {
		a.errorf(at, "raw", "the bytes are not those of %q, which are % x", mnemonic.text, want[:asm.InstructionSize]).Help =
			"of a line that is changed by hand, take the bytes away"
		return false
	}
	a.wide = want[asm.InstructionSize:]
	return true
}

// resolve what instructions refer to: labels, maps, and the rules that they
// serve.
func (a *assembler) resolve() {
	names := map[string]bool{}
	for _, m := range a.object.Maps {
		names[m.Name] = true
	}
	origins := map[string]int{}
	for i := len(a.object.Origins) - 1; i >= 0; i-- {
		origins[a.object.Origins[i].String()] = i
	}
	at := make([]int, len(a.object.Programs))
	origin := 0
	for _, p := range a.places {
		if p.origin >= 0 {
			if n, is := origins[a.origins[p.origin].text]; is {
				origin = n
			}
		}
		a.object.Programs[p.program].Instructions[at[p.program]].Origin = origin
		at[p.program]++
		if ref := p.reference; ref.text != "" && a.labels[p.program][ref.text].text == "" && !names[ref.text] {
			d := a.errorf(ref, "reference", "there is no label and no map %q", ref.text)
			if near := nearest(ref.text, a.labels[p.program]); near != "" {
				d.Help = "perhaps " + near
			}
		}
	}
}

// nearest is the name with the longest beginning in common, of three letters
// and more.
func nearest(name string, names map[string]line) (best string) {
	common := 2
	for other := range names {
		n := 0
		for n < min(len(name), len(other)) && name[n] == other[n] {
			n++
		}
		if n > common || n == common && best != "" && other < best {
			best, common = other, n
		}
	}
	return best
}

// register reads r0 to r10, or w0 to w10.
func register(word string) (r asm.Register, wide, ok bool) {
	if word == "" || word[0] != 'r' && word[0] != 'w' {
		return 0, false, false
	}
	n, err := strconv.ParseUint(word[1:], 10, 8)
	return asm.Register(n), word[0] == 'r', err == nil && n <= 10 && word[1:] == strconv.FormatUint(n, 10)
}

// number reads an immediate: decimal, or hexadecimal as the bits of 32 or 64.
func number(word string, wide bool) (int64, bool) {
	if digits, is := strings.CutPrefix(word, "0x"); is {
		v, err := strconv.ParseUint(digits, 16, 64)
		switch {
		case err != nil:
			return 0, false
		case wide:
			return int64(v), int64(v) == int64(int32(v))
		}
		return int64(int32(v)), v <= 1<<32-1
	}
	v, err := strconv.ParseInt(word, 10, 64)
	return v, err == nil && v == int64(int32(v))
}
