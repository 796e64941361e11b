package loader

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// StateVersion is the format of the pinned state that this xdpfw writes. Those
// of earlier versions are read too; one of a later version is still shown,
// replaced and removed.
const StateVersion = 2

// The pinned state is a frozen array map with one value:
//
//	0  8 bytes  "xdpfw\x00st"
//	8  4 bytes  format version, big-endian
//	12 4 bytes  length of what follows, big-endian
//	16          versions 1 and 2: gzip of the JSON of state
//
// Version 2 came with counters that are carried over: who reads the counters
// alone, as version 1 does, gets too little.
//
// Every later version keeps the first twelve bytes.
const (
	stateMagic  = "xdpfw\x00st"
	stateHeader = len(stateMagic) + 8
)

// A state is what is to be known of a rule set on an interface without its
// rule file.
type state struct {
	Source    string         `json:"source"`
	Digest    string         `json:"digest"`
	Loaded    string         `json:"loaded"` // RFC 3339
	Mode      string         `json:"mode"`   // as asked for
	Interface string         `json:"interface"`
	Rules     int            `json:"rules"`
	Strategy  string         `json:"strategy,omitempty"`
	Target    string         `json:"target,omitempty"`   // the oldest kernel that the program is for
	Counting  string         `json:"counting,omitempty"` // of codegen.CounterModes
	ReadsTags bool           `json:"reads_tags,omitempty"`
	Counters  []counterState `json:"counters"`       // by slot
	Text      string         `json:"text,omitempty"` // of the rule file, in version 1; later see sources.go

	// What the names in the rules stood for when they were loaded.
	Interfaces []NamedIndex `json:"interfaces,omitempty"`
}

// A NamedIndex is an interface that rules name.
type NamedIndex struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
}

// A counterState is a codegen.Counter in a form that does not change with it.
type counterState struct {
	Rule    int    `json:"rule"` // rules.ByDefault: -1; codegen.AnyRule: -2
	Key     string `json:"key"`
	Name    string `json:"name,omitempty"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Verdict string `json:"verdict"`
}

func counterStates(counters []codegen.Counter) []counterState {
	states := make([]counterState, len(counters))
	for i, c := range counters {
		states[i] = counterState{c.Rule, c.Key, c.Name, c.Source, c.Line, c.Text, c.Verdict.String()}
	}
	return states
}

func (c counterState) counter() codegen.Counter {
	verdict, _ := rules.VerdictNamed(c.Verdict)
	return codegen.Counter{Rule: c.Rule, Key: c.Key, Name: c.Name, Source: c.Source, Line: c.Line, Text: c.Text, Verdict: verdict}
}

// encode is the map's value.
func (s state) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(stateMagic)
	out.Write(make([]byte, 8))
	z := gzip.NewWriter(&out)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	value := out.Bytes()
	binary.BigEndian.PutUint32(value[len(stateMagic):], StateVersion)
	binary.BigEndian.PutUint32(value[len(stateMagic)+4:], uint32(len(value)-stateHeader))
	return value, nil
}

var errDamaged = errors.New("is damaged")

// decodeState reads a value. Of a later version there is no state, but no error
// either.
func decodeState(value []byte) (version int, s *state, err error) {
	if len(value) < stateHeader || string(value[:len(stateMagic)]) != stateMagic {
		return 0, nil, fmt.Errorf("the pinned state %w: it does not begin as one of xdpfw's", errDamaged)
	}
	version = int(binary.BigEndian.Uint32(value[len(stateMagic):]))
	if version < 1 || version > StateVersion {
		return version, nil, nil
	}
	body := value[stateHeader:]
	if n := binary.BigEndian.Uint32(value[len(stateMagic)+4:]); uint64(n) <= uint64(len(body)) {
		body = body[:n]
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return version, nil, fmt.Errorf("the pinned state %w: %v", errDamaged, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return version, nil, fmt.Errorf("the pinned state %w: %v", errDamaged, err)
	}
	s = new(state)
	if err := json.Unmarshal(text, s); err != nil {
		return version, nil, fmt.Errorf("the pinned state %w: %v", errDamaged, err)
	}
	return version, s, nil
}
