package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/cilium/ebpf/asm"

	"xdpfw/codegen"
)

// A graph is how control goes through a program: its blocks, in order, and the
// jumps between them.
type graph struct {
	Blocks []block `json:"blocks"`
	Edges  []edge  `json:"edges"`
}

// A block is instructions of which only the first is jumped to, and only the
// last jumps.
type block struct {
	Label  string `json:"label"` // "" where no jump names it
	First  int    `json:"first"` // index of its first instruction
	Last   int    `json:"last"`
	Origin int    `json:"origin"` // what most of its instructions serve
}

// An edge goes from one block to another: by falling through, by a jump that is
// taken, or by a call.
type edge struct {
	From int    `json:"from"` // index in Blocks
	To   int    `json:"to"`
	Kind string `json:"kind"` // next, jump or call
	When string `json:"when"` // the condition of a jump, or ""
}

func newGraph(code []codegen.Instruction) *graph {
	g := &graph{Blocks: []block{}, Edges: []edge{}}
	labels := map[string]int{}
	begins := make([]bool, len(code)+1)
	begins[0] = true
	for i := range code {
		if symbol := code[i].Symbol(); symbol != "" {
			begins[i] = true
		}
		if leaves(&code[i]) {
			begins[i+1] = true
		}
	}
	of := make([]int, len(code))
	for i := range code {
		if begins[i] {
			g.Blocks = append(g.Blocks, block{Label: code[i].Symbol(), First: i})
		}
		of[i] = len(g.Blocks) - 1
		if symbol := code[i].Symbol(); symbol != "" {
			labels[symbol] = of[i]
		}
	}
	for n := range g.Blocks {
		b := &g.Blocks[n]
		b.Last = len(code) - 1
		if n+1 < len(g.Blocks) {
			b.Last = g.Blocks[n+1].First - 1
		}
		b.Origin = servesMost(code[b.First : b.Last+1])
		g.leave(n, &code[b.Last], labels)
	}
	return g
}

// leaves says that control may go elsewhere behind an instruction.
func leaves(ins *codegen.Instruction) bool {
	return ins.OpCode.Class().IsJump() && (ins.OpCode.JumpOp() != asm.Call || ins.IsFunctionCall())
}

// leave adds the edges of a block by its last instruction.
func (g *graph) leave(from int, last *codegen.Instruction, labels map[string]int) {
	next := func() {
		if from+1 < len(g.Blocks) {
			g.Edges = append(g.Edges, edge{from, from + 1, "next", ""})
		}
	}
	if !leaves(last) {
		next()
		return
	}
	to, known := labels[last.Reference()]
	switch op := last.OpCode.JumpOp(); {
	case op == asm.Exit:
	case op == asm.Call:
		if known {
			g.Edges = append(g.Edges, edge{from, to, "call", ""})
		}
		next()
	case op == asm.Ja:
		if known {
			g.Edges = append(g.Edges, edge{from, to, "jump", ""})
		}
	default:
		if known {
			condition, _, _ := strings.Cut(strings.TrimPrefix(last.Mnemonic(), "if "), " goto ")
			g.Edges = append(g.Edges, edge{from, to, "jump", condition})
		}
		next()
	}
}

// servesMost is the origin of most instructions, the first of several.
func servesMost(code []codegen.Instruction) int {
	times := map[int]int{}
	best := code[0].Origin
	for i := range code {
		times[code[i].Origin]++
	}
	for i := range code {
		if o := code[i].Origin; times[o] > times[best] {
			best = o
		}
	}
	return best
}

// printDot prints the graph for Graphviz: a node for each block, with its
// instructions.
func printDot(w io.Writer, object *codegen.Object) error {
	code := object.Programs[0].Code
	g := newGraph(code)
	fmt.Fprintf(w, "digraph %s {\n", dotText(object.Source))
	fmt.Fprintf(w, "  // %s\n", strings.ReplaceAll(object.Digest, "\n", " "))
	fmt.Fprintln(w, "  node [shape=box, fontname=monospace, fontsize=9];\n  edge [fontname=monospace, fontsize=8];")
	for n, b := range g.Blocks {
		text := ""
		if b.Label != "" {
			text = b.Label + ":\n"
		}
		for i := b.First; i <= b.Last; i++ {
			text += code[i].Mnemonic()
			if code[i].Comment != "" {
				text += "  ; " + code[i].Comment
			}
			text += "\n"
		}
		fmt.Fprintf(w, "  b%d [label=%s, tooltip=%s];\n", n, dotText(text), dotText(object.Origins[b.Origin].String()))
	}
	for _, e := range g.Edges {
		style := ""
		switch {
		case e.Kind == "call":
			style = ", style=dashed"
		case e.Kind == "next":
			style = ", weight=4"
		}
		fmt.Fprintf(w, "  b%d -> b%d [label=%s%s];\n", e.From, e.To, dotText(e.When), style)
	}
	_, err := fmt.Fprintln(w, "}")
	return err
}

// dotText is a quoted string of the DOT language, lines set to the left.
func dotText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\l`).Replace(text) + `"`
}
