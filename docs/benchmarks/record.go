package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"xdpfw/loader/bench"
)

// A record is what one run found of one program: a line of results.jsonl. What
// was not measured is left out.
type record struct {
	Part    string `json:"part"`
	Set     string `json:"set"` // of rules
	Rules   int    `json:"rules,omitempty"`
	Traffic string `json:"traffic,omitempty"`
	Program string `json:"program"`
	Chosen  string `json:"chosen,omitempty"` // the strategy, where the compiler chose it

	NS  float64 `json:"ns,omitempty"` // a packet, median of the rounds
	Min float64 `json:"min,omitempty"`
	Max float64 `json:"max,omitempty"`
	Net float64 `json:"net,omitempty"` // over a program that only drops, median

	Expected float64 `json:"expected,omitempty"` // ns that the compiler says, of the kind of frame with the most rules

	ParseSeconds   float64 `json:"parse_seconds,omitempty"`
	CompileSeconds float64 `json:"compile_seconds,omitempty"`
	LoadSeconds    float64 `json:"load_seconds,omitempty"` // verifying included
	Instructions   int     `json:"instructions,omitempty"` // eight bytes each
	Processed      int     `json:"processed,omitempty"`    // by the verifier
	Longest        int     `json:"longest,omitempty"`      // way through the program, in instructions
	TableBytes     uint64  `json:"table_bytes,omitempty"`

	Failed string `json:"failed,omitempty"` // why there is no figure
}

// results of a run.
type results struct{ records []record }

// save them, one a line.
func (r *results) save(folder string) error {
	var out bytes.Buffer
	for _, rec := range r.records {
		line, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
	}
	return os.WriteFile(filepath.Join(folder, "results.jsonl"), out.Bytes(), 0o644)
}

// timed fills in the figures of a program. empty is the result of the program
// that only drops.
func (r *record) timed(result, empty bench.Result) {
	r.NS, r.Min, r.Max = result.Median(), result.Min(), result.Max()
	r.Net = result.Over(empty)
}

// reason why there is no figure, for a cell of a table.
func (r *record) reason() string {
	const longest = 160
	text := strings.ReplaceAll(strings.ReplaceAll(r.Failed, "\n", " "), "|", "\\|")
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return text
}
