package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/rules"
)

//go:embed page.html
var pageTemplate []byte

// pageMark is where the page has its data.
var pageMark = []byte("@DATA@")

// A htmlPage is the data of `dump --format html`.
type htmlPage struct {
	*listing
	Graph *graph    `json:"graph"`
	Ways  []ruleWay `json:"ways"`

	// The rules that the listing's origins and counters are of: an index, -1 for
	// the default, less for neither.
	OriginRules  []int `json:"origin_rules"`
	CounterRules []int `json:"counter_rules"`

	Live []liveRule `json:"live"` // of an interface: what each rule has counted
	On   string     `json:"on"`   // that interface
}

// A liveRule is by index in the listing's counters.
type liveRule struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// printPage prints one page that needs nothing else: no network, no files.
func printPage(w io.Writer, set *rules.RuleSet, object *codegen.Object, live *loader.Stats) error {
	l, err := newListing(object, false)
	if err != nil {
		return err
	}
	p := htmlPage{listing: l, Graph: newGraph(object.Programs[0].Code), Ways: waysOf(set, object, true), Live: []liveRule{}, OriginRules: []int{}, CounterRules: []int{}}
	for _, o := range object.Origins {
		p.OriginRules = append(p.OriginRules, o.Rule)
	}
	for _, c := range object.Counters {
		p.CounterRules = append(p.CounterRules, c.Rule)
	}
	if p.Ways == nil {
		p.Ways = []ruleWay{}
	}
	if live != nil && live.Counting == codegen.CountRules && len(object.Counters) == len(live.Rules)+1 {
		p.On = live.Interface
		p.Live = append(p.Live, liveRule{live.Default.Packets, live.Default.Bytes}) // its slot is the first
		for _, c := range live.Rules {
			p.Live = append(p.Live, liveRule{c.Packets, c.Bytes})
		}
	}
	var data bytes.Buffer
	e := json.NewEncoder(&data) // escapes what could end the script element
	if err := e.Encode(p); err != nil {
		return err
	}
	head, tail, found := bytes.Cut(pageTemplate, pageMark)
	if !found {
		return fmt.Errorf("the page has no place for its data")
	}
	for _, part := range [][]byte{head, data.Bytes(), tail} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
