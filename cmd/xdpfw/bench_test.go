package main

import (
	"math"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/loader"
	"xdpfw/loader/bench"
	"xdpfw/rules"
)

// A figure is printed only if the rules' counters account for every packet.
func TestBenchCountsPackets(t *testing.T) {
	needBPF(t)
	set, _ := rules.ParseAndCheck(rules.NewFile("some.fw", []byte("default pass\ncount udp\ndrop len < 70\ndrop len > 1000\n")))
	object, err := codegen.Compile(set, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := loader.NewRunner(object)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	trace, err := bench.NewTrace([][]byte{make([]byte, 60), make([]byte, 61), make([]byte, 70), make([]byte, 69)})
	if err != nil {
		t.Fatal(err)
	}
	subjects := []bench.Subject{{Name: "rules", Program: runner.Program()}}
	results, err := bench.Run(trace, subjects, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := whoDecided(object, runner, results[0].Packets)
	if want := "; decided by 1 rule, 25.0 % by default"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err = bench.Run(trace, subjects, 1); err != nil {
		t.Fatal(err)
	}
	_, err = whoDecided(object, runner, results[0].Packets+1)
	if err == nil || !strings.Contains(err.Error(), "please report this") {
		t.Errorf("of a packet that was not counted: %v", err)
	}
}

func TestBenchRounds(t *testing.T) {
	r := benchResult{Program: 31.23456, Empty: 25.005, Parse: 1.0 / 3, Hash: 30, Overhead: math.Pi, Spread: [2]float64{29.999, 1e4 / 3}}
	want := benchResult{Program: 31.23, Empty: 25.01, Parse: 0.33, Hash: 30, Overhead: 3.14, Spread: [2]float64{30, 3333.33}}
	if got := r.rounded(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
