package codegen

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"xdpfw/rules"
)

// Assemble makes an Object of the text that Listing writes. Of an instruction
// the mnemonic counts; offset and raw bytes may be left out, and where they
// stand they must say the same, but for the distance of jumps. Lines may be
// changed, added and taken away: then Object.Digest says that the program is
// not what the compiler made of the rules.
//
// Mistakes are diagnostics, with their place in the listing.
func Assemble(file *rules.File) (*Object, rules.Diagnostics) {
	a := &assembler{file: file, program: -1, origin: -1}
	if !a.version() {
		return nil, a.wrong
	}
	for at := 0; at < len(file.Text) && len(a.wrong) < rules.MaxErrors; {
		end := at + bytes.IndexByte(file.Text[at:], '\n')
		if end < at {
			end = len(file.Text)
		}
		a.line(line{string(file.Text[at:end]), at})
		at = end + 1
	}
	a.finish()
	if a.wrong != nil {
		return nil, a.wrong
	}
	o, err := a.object.object()
	if err != nil {
		a.errorf(line{at: len(file.Text)}, "object", "%v", err)
		return nil, a.wrong
	}
	return o, nil
}

// listingHead is what every listing begins with, and its version.
const listingHead = "; xdpfw listing "

// version is checked before anything else: false if this is no listing, or one
// that another version wrote.
func (a *assembler) version() bool {
	text, _, _ := strings.Cut(string(a.file.Text[:min(len(a.file.Text), 80)]), "\n")
	first := line{text, 0}.trim()
	switch number, is := strings.CutPrefix(first.text, listingHead); {
	case !is:
		a.errorf(first, "listing", "this is no listing: its first line is not %q", listingHead+strconv.Itoa(listingVersion)).Help = "xdpfw dump --tables FILE writes one"
	case number != strconv.Itoa(listingVersion):
		a.errorf(first, "listing", "a listing of version %s, written by another xdpfw; this one reads version %d", number, listingVersion).Help = "dump the rules again"
	}
	return a.wrong == nil
}

// A line is a part of a line of the listing, and where it is.
type line struct {
	text string
	at   int
}

// word splits the first word off, which is empty at the end.
func (l line) word() (first, rest line) {
	text := strings.TrimLeft(l.text, " \t\r")
	at := l.at + len(l.text) - len(text)
	n := strings.IndexAny(text, " \t\r")
	if n < 0 {
		n = len(text)
	}
	return line{text[:n], at}, line{text[n:], at + n}
}

// trim takes blanks off both ends.
func (l line) trim() line {
	text := strings.TrimLeft(l.text, " \t\r")
	return line{strings.TrimRight(text, " \t\r"), l.at + len(l.text) - len(text)}
}

type assembler struct {
	file    *rules.File
	wrong   rules.Diagnostics
	object  objectFile
	hasHead bool

	program     int               // index of the one that instructions belong to, or -1
	function    *function         // that the next instruction begins
	label       line              // that the next instruction has
	labels      []map[string]line // by program
	origin      int               // index in origins of the next instruction
	origins     []line            // comments that may be the heads of rules
	places      []place           // of the instructions, over all programs
	wide        []byte            // what the bytes in the next line must be
	data        *mapFile          // that lines of data belong to; its contents are whole, of zeros so far
	next        int               // offset that a line of data may have at least
	bytes       int               // that the last map holds
	missing     []string          // maps whose contents are not there
	outsideSaid bool
	code        string // the digest of .code
}

// A place is where an instruction of a program stands, and where what it
// refers to.
type place struct {
	program       int
	at, reference line
	origin        int
}

func (a *assembler) errorf(at line, code, format string, args ...any) *rules.Diagnostic {
	a.wrong = append(a.wrong, rules.Diagnostic{
		Severity: rules.Error, Code: code, Message: fmt.Sprintf(format, args...),
		Span: rules.Span{File: a.file, Start: at.at, End: at.at + len(at.text)},
	})
	return &a.wrong[len(a.wrong)-1]
}

func (a *assembler) line(l line) {
	whole := l.trim()
	switch {
	case whole.text == "":
		return
	case whole.text[0] == ';':
		a.origin = len(a.origins)
		a.origins = append(a.origins, line{strings.TrimPrefix(whole.text[1:], " "), whole.at})
		return
	case whole.text[0] == '.':
		a.directive(whole)
		return
	case a.data != nil:
		a.dataLine(whole)
		return
	}
	text, comment, _ := strings.Cut(whole.text, ";")
	code := line{text, whole.at}.trim()
	if name, is := strings.CutSuffix(code.text, ":"); is && !strings.ContainsAny(name, " \t") {
		a.labelLine(line{name, code.at})
		return
	}
	a.instructionLine(code, strings.TrimSpace(comment))
}

func (a *assembler) labelLine(name line) {
	if a.program < 0 {
		a.outside(name)
		return
	}
	switch first, twice := a.labels[a.program][name.text]; {
	case twice:
		a.errorf(name, "label", "the label %s is there already", name.text).Notes = []rules.Note{{
			Span: rules.Span{File: a.file, Start: first.at, End: first.at + len(first.text)}, Message: "the first one",
		}}
	case a.label.text != "":
		a.errorf(name, "label", "two labels for one instruction: %s and %s", a.label.text, name.text)
	case name.text == "":
		a.errorf(name, "label", "a label without a name")
	default:
		a.label = name
		a.labels[a.program][name.text] = name
	}
}

// outside says, once, that code stands in front of .program.
func (a *assembler) outside(at line) {
	if !a.outsideSaid {
		a.errorf(at, "mnemonic", "an instruction or a label in front of .program")
	}
	a.outsideSaid = true
}

// directive reads a line that begins with a dot.
func (a *assembler) directive(l line) {
	name, argument := l.word()
	argument = argument.trim()
	a.data = nil
	switch name.text {
	case programDirective:
		var p programLine
		if a.read(argument, &p) {
			a.object.Programs = append(a.object.Programs, programFile{Name: p.Name, Longest: p.Longest})
			a.program = len(a.object.Programs) - 1
			a.labels = append(a.labels, map[string]line{})
		}
	case functionDirective:
		var f functionLine
		if a.read(argument, &f) {
			a.function = &function{Name: f.Name, Global: f.Global, Parameters: f.Parameters}
		}
	case objectDirective:
		a.hasHead = a.read(argument, &a.object.objectHead) || a.hasHead
	case originDirective:
		var o Origin
		if a.read(argument, &o) {
			a.object.Origins = append(a.object.Origins, o)
		}
	case counterDirective:
		var c counterFile
		if a.read(argument, &c) {
			a.object.Counters = append(a.object.Counters, c)
		}
	case mapDirective:
		var m mapLine
		if a.read(argument, &m) {
			a.addMap(argument, m)
		}
	case dataDirective:
		a.beginData(argument)
	case codeDirective:
		a.read(argument, &a.code)
	default:
		a.errorf(name, "directive", "%q is no directive", name.text).Help =
			"directives are .program, .function, .object, .origin, .counter, .map, .data and .code; a comment begins with ;"
	}
}

// read the JSON argument of a directive.
func (a *assembler) read(argument line, into any) bool {
	d := json.NewDecoder(strings.NewReader(argument.text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = fmt.Errorf("there is more behind it")
	}
	if err != nil {
		a.errorf(argument, "directive", "the directive's argument cannot be read: %v", err)
	}
	return err == nil
}

// mostMapBytes is how much a listing may say that a map holds.
const mostMapBytes = 1 << 30

func (a *assembler) addMap(at line, m mapLine) {
	if m.Bytes < 0 || m.Bytes > mostMapBytes || m.Contents != nil {
		a.errorf(at, "directive", "map %s cannot hold %d bytes", m.Name, m.Bytes)
		return
	}
	a.object.Maps = append(a.object.Maps, m.mapFile)
	a.bytes = m.Bytes
	if m.Bytes > 0 {
		a.missing = append(a.missing, fmt.Sprintf("%s (%d bytes)", m.Name, m.Bytes))
	}
}

// beginData says which map the lines of data are of: the last one.
func (a *assembler) beginData(argument line) {
	var name string
	if !a.read(argument, &name) {
		return
	}
	n := len(a.object.Maps) - 1
	if n < 0 || a.object.Maps[n].Name != name || a.object.Maps[n].Contents != nil || a.bytes == 0 {
		a.errorf(argument, "directive", "data of %q must stand behind its .map, which says how many bytes", name)
		return
	}
	a.data, a.next = &a.object.Maps[n], 0
	a.data.Contents = make([]byte, a.bytes)
	a.missing = a.missing[:len(a.missing)-1]
}

// dataLine reads bytes behind their offset.
func (a *assembler) dataLine(l line) {
	offset, rest := l.word()
	rest = rest.trim()
	bytes, err := hex.DecodeString(strings.ReplaceAll(rest.text, " ", ""))
	if err != nil {
		a.errorf(rest, "data", "these are no bytes in hexadecimal: %v", err)
		return
	}
	at, err := strconv.ParseUint(offset.text, 16, 32)
	switch {
	case err != nil:
		a.errorf(offset, "data", "%q is no offset in hexadecimal", offset.text)
	case int(at) < a.next:
		a.errorf(offset, "data", "offset %x is in front of %x, up to where the data has been", at, a.next)
	case int(at)+len(bytes) > len(a.data.Contents):
		a.errorf(l, "data", "data up to %x, where the map holds %x bytes", int(at)+len(bytes), len(a.data.Contents))
	default:
		copy(a.data.Contents[at:], bytes)
		a.next = int(at) + len(bytes)
	}
}

// finish what can be said at the end only.
func (a *assembler) finish() {
	end := line{at: len(a.file.Text)}
	switch {
	case len(a.wrong) > 0:
	case !a.hasHead || len(a.object.Programs) == 0 || a.code == "":
		a.errorf(end, "cut-off", "this is no whole listing: .program, .object or .code, which is its last line, is missing").Help = "xdpfw dump --tables FILE writes one"
	case len(a.missing) > 0:
		a.errorf(end, "no-tables", "the listing does not hold the contents of %s", strings.Join(a.missing, ", ")).Help = "xdpfw dump --tables writes them too"
	case a.label.text != "" || a.function != nil:
		a.errorf(end, "cut-off", "an instruction is missing at the end")
	}
	if len(a.wrong) == 0 {
		a.resolve()
	}
	if len(a.wrong) > 0 {
		return
	}
	digest, err := a.object.codeDigest()
	if err != nil {
		a.errorf(end, "object", "%v", err)
	}
	if a.code != digest {
		a.object.Digest = EditedDigest + digest
		a.object.Source = strings.TrimSuffix(a.object.Source, editedSource) + editedSource
	}
}

// EditedDigest is what the Digest of an Object begins with whose listing was
// changed by hand; its Source says so too.
const EditedDigest = "edited "

const editedSource = " (edited)"
