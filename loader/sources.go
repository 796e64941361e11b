package loader

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
)

// All that a rule set was compiled from is pinned beside its state, so that
// what is loaded can be listed without a file: a gzip'd tar of the options and
// behind them the files, the main one first; or of an object file.

// sourcesLimit is how much of the kernel's memory that may take, in bytes; older kernels
// take no map value above 4 MiB.
const sourcesLimit = 3 << 20

// A SourceFile is a file that rules consist of.
type SourceFile struct {
	Name string // as it was opened when they were loaded
	Text []byte
}

// keptOptions is the first file of the tar.
type keptOptions struct {
	Target      string `json:"target,omitempty"`
	Strategy    string `json:"strategy,omitempty"`
	Counters    string `json:"counters,omitempty"`
	TableMemory int64  `json:"table_memory,omitempty"`
	Object      bool   `json:"object,omitempty"` // what follows is an object file
}

// sources of an Object that is to be loaded.
func (opts *LoadOptions) sources(obj *codegen.Object) (*bytes.Buffer, error) {
	kept, files := keptOptions{Object: true}, []SourceFile(nil)
	if rs := opts.Rules; rs != nil && len(rs.Files) > 0 {
		o := opts.Options
		kept = keptOptions{o.Target.Kernel, o.Strategy, o.Counters, o.TableMemory, false}
		for _, f := range rs.Files {
			files = append(files, SourceFile{f.Name, f.Text})
		}
	} else {
		var object bytes.Buffer
		if obj.Encode(&object) == nil { // an Object that no compiler made may have no such form
			files = []SourceFile{{obj.Source, object.Bytes()}}
		}
	}
	options, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	return archive(append([]SourceFile{{"options.json", options}}, files...))
}

// archive is fast rather than small: lists have a million lines, and are loaded
// while somebody waits.
func archive(files []SourceFile) (*bytes.Buffer, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.Name, Size: int64(len(f.Text)), Mode: 0o600, Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Text); err != nil {
			return nil, err
		}
	}
	return &out, errors.Join(w.Close(), z.Close())
}

// pinSources makes the map of the sources, which all attempts pin. What is too
// large is left out, with a warning.
func (opts *LoadOptions) pinSources(attempts []*attempt, obj *codegen.Object) (io.Closer, error) {
	value, err := opts.sources(obj)
	if err != nil {
		return nil, err
	}
	if value.Len() > sourcesLimit {
		for _, a := range attempts {
			a.result.Warnings = append(a.result.Warnings, fmt.Sprintf(
				"the rules are too large to be kept with the program (%d bytes compressed, limit: %d): `dump -i` has less to show", value.Len(), sourcesLimit))
		}
		return io.NopCloser(nil), nil
	}
	m, err := newValueMap("xdpfw_sources", value.Bytes())
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		a.sources = m
	}
	return m, nil
}

// readSources reads what pinSources pinned; os.ErrNotExist if it was left out.
func (g pinnedGeneration) readSources() (*keptOptions, []SourceFile, error) {
	value, err := readPin(g.sources())
	if err != nil {
		return nil, nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w: %v", g.sources(), errDamaged, err)
	}
	z.Multistream(false) // zeros follow
	kept, files := new(keptOptions), []SourceFile(nil)
	for r, first := tar.NewReader(z), true; ; first = false {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return kept, files, nil
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(r)
		}
		if err == nil && first {
			err = json.Unmarshal(text, kept)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s %w: %v", g.sources(), errDamaged, err)
		}
		if !first {
			files = append(files, SourceFile{header.Name, text})
		}
	}
}

// A Loaded is the rule set on an interface as it was loaded.
type Loaded struct {
	Status
	LoadedOn   string          // what the interface was called then
	Interfaces []NamedIndex    // what the names in the rules stood for
	Kept       bool            // sources were kept, in either of two forms:
	Files      []SourceFile    // the main file first
	Options    codegen.Options // what Files were compiled with
	Object     *codegen.Object // loaded from an object file

	tag string
}

// ReadLoaded reads what was loaded on an interface, with nothing but the pins at
// hand. Errors are *Error.
func ReadLoaded(iface string) (*Loaded, error) {
	doing := "read what is loaded on " + iface
	for try := 1; ; try++ {
		l, err := readLoaded(doing, iface)
		if err == nil || try == readTries || !errors.Is(err, os.ErrNotExist) {
			return l, refusal(doing, err)
		}
		time.Sleep(readPause)
	}
}

func readLoaded(doing, iface string) (*Loaded, error) {
	d, held, err := openOurs(doing, iface)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	l := &Loaded{Status: foreignStatus(d)}
	l.Ours = true
	if err := held.describe(&l.Status); err != nil {
		return nil, err
	}
	_, s, err := held.generation().readState()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return l, nil
	}
	l.LoadedOn, l.Interfaces = s.Interface, s.Interfaces
	p, err := held.ownProgram()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	info, err := basicInfo(p)
	if err != nil {
		return nil, err
	}
	l.tag = fmt.Sprintf("%x", info.Tag)
	return l, l.addSources(held.generation(), s)
}

func (l *Loaded) addSources(g pinnedGeneration, s *state) error {
	if s.Text != "" { // of version 1, which kept the main file, and not which options were given
		l.Kept, l.Files = true, []SourceFile{{s.Source, []byte(s.Text)}}
		l.Options = codegen.Options{Counters: s.Counting}
		l.Options.Target, _ = codegen.ParseTarget(s.Target)
		return nil
	}
	kept, files, err := g.readSources()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Kept = len(files) > 0
	if kept.Object && l.Kept {
		l.Object, err = codegen.DecodeObject(files[0].Text)
		return err
	}
	l.Files = files
	l.Options = codegen.Options{Strategy: kept.Strategy, Counters: kept.Counters, TableMemory: kept.TableMemory}
	if kept.Target != "" {
		l.Options.Target, err = codegen.ParseTarget(kept.Target)
	}
	return err
}

// Runs says whether the program of the Object is the one on the interface, by
// the tag that the kernel made of its instructions.
func (l *Loaded) Runs(obj *codegen.Object) (bool, error) {
	raw, err := obj.Programs[0].Raw()
	if err != nil {
		return false, err
	}
	insns, err := asm.AppendInstructions(nil, bytes.NewReader(raw), binary.LittleEndian, runtime.GOOS)
	if err != nil {
		return false, err
	}
	return insns.HasTag(l.tag, binary.LittleEndian)
}
