package codegen

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"
)

// A statement is a mnemonic in words.
type statement struct {
	*assembler
	whole line
	words []line
}

// word n, empty if there are not so many.
func (s *statement) word(n int) string {
	if n < len(s.words) {
		return s.words[n].text
	}
	return ""
}

// mnemonic is the inverse of Instruction.Mnemonic: the instruction, and the
// label or map that it refers to.
func (a *assembler) mnemonic(l line) (ins asm.Instruction, reference line, ok bool) {
	s := &statement{assembler: a, whole: l}
	for word, rest := l.word(); word.text != ""; word, rest = rest.word() {
		s.words = append(s.words, word)
	}
	n := len(s.words)
	switch first := s.word(0); {
	case first == "exit" && n == 1:
		return asm.Return(), line{}, true
	case first == "goto" && n == 2:
		return asm.Ja.Label(""), s.words[1], true
	case first == "call" && n == 2:
		return s.call()
	case first == "if" && n == 6 && s.word(4) == "goto":
		return s.branch()
	case strings.HasPrefix(first, "*(u") && n == 5 && s.word(3) == "=":
		return s.store()
	case n >= 3:
		return s.assign()
	}
	s.unknown()
	return ins, line{}, false
}

func (s *statement) unknown() {
	s.errorf(s.whole, "mnemonic", "%q is no instruction", s.whole.text).Help =
		"as in: r0 = *(u16 *)(r6 +12), w1 &= 0xff, if r0 > r8 goto default, r1 = map counters, call FnMapLookupElem, exit"
}

func (s *statement) wrong(n int, code, format string, args ...any) (asm.Instruction, line, bool) {
	s.errorf(s.words[n], code, format, args...)
	return asm.Instruction{}, line{}, false
}

// helpers are the kernel's functions by the name that asm has for them.
var helpers = func() map[string]asm.BuiltinFunc {
	all := map[string]asm.BuiltinFunc{}
	for f := asm.BuiltinFunc(1); f < 1000; f++ {
		if name := f.String(); !strings.Contains(name, "(") {
			all[name] = f
		}
	}
	return all
}()

func (s *statement) call() (asm.Instruction, line, bool) {
	if f, is := helpers[s.word(1)]; is {
		return f.Call(), line{}, true
	}
	return asm.Call.Label(""), s.words[1], true
}

// operand is a register or an immediate.
func (s *statement) operand(n int, wide bool) (r asm.Register, v int64, isRegister, ok bool) {
	if r, is64, ok := register(s.word(n)); ok {
		if is64 != wide {
			s.wrong(n, "register", "%s is of another width than %s", s.word(n), s.word(0))
		}
		return r, 0, true, is64 == wide
	}
	v, ok = number(s.word(n), wide)
	if !ok {
		s.errorf(s.words[n], "number", "%q is neither a register nor a number of 32 bits", s.word(n))
	}
	return 0, v, false, ok
}

// branch is "if DST SIGN OPERAND goto LABEL".
func (s *statement) branch() (asm.Instruction, line, bool) {
	dst, wide, ok := register(s.word(1))
	if !ok {
		return s.wrong(1, "register", "%q is no register: r0 to r10, or w0 to w10 for 32 bits", s.word(1))
	}
	op, ok := jumpOps[s.word(2)]
	if !ok {
		return s.wrong(2, "mnemonic", "%q compares nothing", s.word(2))
	}
	src, v, isRegister, ok := s.operand(3, wide)
	if !ok {
		return asm.Instruction{}, line{}, false
	}
	var ins asm.Instruction
	switch {
	case isRegister && wide:
		ins = op.Reg(dst, src, "")
	case isRegister:
		ins = op.Reg32(dst, src, "")
	case wide:
		ins = op.Imm(dst, int32(v), "")
	default:
		ins = op.Imm32(dst, int32(v), "")
	}
	return ins, s.words[5], true
}

// memory reads "*(uN" "*)(rN" "+N)" at word n; behind is what may stand behind
// the bracket.
func (s *statement) memory(n int) (size asm.Size, base asm.Register, offset int16, ok bool) {
	size, ok = memorySizes[s.word(n)]
	if !ok {
		s.wrong(n, "mnemonic", "%q is no size of memory: *(u8, *(u16, *(u32 or *(u64", s.word(n))
		return size, base, offset, false
	}
	name, is := strings.CutPrefix(s.word(n+1), "*)(")
	base, wide, isRegister := register(name)
	if !is || !wide || !isRegister {
		s.wrong(n+1, "register", "%q is no address: *)(r6 and an offset", s.word(n+1))
		return size, base, offset, false
	}
	text, is := strings.CutSuffix(s.word(n+2), ")")
	v, err := strconv.ParseInt(text, 10, 16)
	if !is || err != nil {
		s.wrong(n+2, "number", "%q is no offset of 16 bits: +12)", s.word(n+2))
		return size, base, offset, false
	}
	return size, base, int16(v), true
}

var memorySizes = map[string]asm.Size{"*(u8": asm.Byte, "*(u16": asm.Half, "*(u32": asm.Word, "*(u64": asm.DWord}

// store is "*(uN *)(rN +N) = OPERAND".
func (s *statement) store() (ins asm.Instruction, _ line, ok bool) {
	size, base, offset, ok := s.memory(0)
	if !ok {
		return ins, line{}, false
	}
	src, v, isRegister, ok := s.operand(4, true)
	switch {
	case !ok:
		return ins, line{}, false
	case isRegister:
		return asm.StoreMem(base, offset, src, size), line{}, true
	}
	return asm.StoreImm(base, offset, v, size), line{}, true
}

// assign is all that has a register on the left.
func (s *statement) assign() (asm.Instruction, line, bool) {
	dst, wide, ok := register(s.word(0))
	if !ok {
		return s.wrong(0, "register", "%q is no register: r0 to r10, or w0 to w10 for 32 bits", s.word(0))
	}
	op, ok := aluOps[s.word(1)]
	if !ok {
		return s.wrong(1, "mnemonic", "%q computes nothing", s.word(1))
	}
	if op == asm.Mov && wide {
		if ins, reference, is, ok := s.load(dst); is {
			return ins, reference, ok
		}
	}
	if len(s.words) != 3 {
		s.unknown()
		return asm.Instruction{}, line{}, false
	}
	if op == asm.Mov && s.word(2) == "-"+s.word(0) {
		return negate(dst, wide), line{}, true
	}
	src, v, isRegister, ok := s.operand(2, wide)
	if !ok {
		return asm.Instruction{}, line{}, false
	}
	switch {
	case isRegister && wide:
		return op.Reg(dst, src), line{}, true
	case isRegister:
		return op.Reg32(dst, src), line{}, true
	case wide:
		return op.Imm(dst, int32(v)), line{}, true
	}
	return op.Imm32(dst, int32(v)), line{}, true
}

func negate(dst asm.Register, wide bool) asm.Instruction {
	if wide {
		return asm.Neg.Imm(dst, 0)
	}
	return asm.Neg.Imm32(dst, 0)
}

// load is what loads a register of 64 bits in other ways than from another
// register or with a number of 32 bits.
func (s *statement) load(dst asm.Register) (ins asm.Instruction, reference line, is, ok bool) {
	n := len(s.words)
	switch third := s.word(2); {
	case strings.HasPrefix(third, "*(u") && n == 5:
		size, base, offset, ok := s.memory(2)
		return asm.LoadMem(dst, base, offset, size), line{}, true, ok
	case third == "map" && n == 4:
		return asm.LoadMapPtr(dst, 0), s.words[3], true, true
	case third == "value" && s.word(3) == "of" && n == 6:
		offset, err := strconv.ParseUint(strings.TrimPrefix(s.word(5), "+"), 10, 32)
		if err != nil {
			s.wrong(5, "number", "%q is no offset of 32 bits: +64", s.word(5))
		}
		return asm.LoadMapValue(dst, 0, uint32(offset)), s.words[4], true, err == nil
	case s.word(3) == "ll" && n == 4:
		v, err := strconv.ParseUint(third, 0, 64)
		if err != nil {
			s.wrong(2, "number", "%q is no number of 64 bits: 0x1f", third)
		}
		return asm.LoadImm(dst, int64(v), asm.DWord), line{}, true, err == nil
	case strings.HasPrefix(third, "be") && n == 4:
		size, known := swaps[third]
		if !known || s.word(3) != s.word(0) {
			s.wrong(2, "mnemonic", "%s %s = %[2]s turns no bytes round: r1 = be16 r1", third, s.word(0))
			known = false
		}
		return asm.HostTo(asm.BE, dst, size), line{}, true, known
	}
	return ins, line{}, false, false
}

var swaps = map[string]asm.Size{"be16": asm.Half, "be32": asm.Word, "be64": asm.DWord}

var (
	aluOps  = inverse(aluSigns)
	jumpOps = inverse(jumpSigns)
)

func inverse[K comparable](signs map[K]string) map[string]K {
	all := map[string]K{}
	for op, sign := range signs {
		all[sign] = op
	}
	return all
}
