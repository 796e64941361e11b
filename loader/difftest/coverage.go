package difftest

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Coverage counts the pairs that rules decided: by form of the frame, and by
// each condition of the deciding rule; and what statements did.
type Coverage struct {
	Enough    int // how many pairs each possible cell, and each statement, must have
	Pairs     int // all of them
	ByDefault int // decided by no rule

	cells      [forms][conditions]int
	statements [statementKinds]int
}

// Add a pair; the conditions are those of the deciding rule, and decided is
// false if it was the default.
func (c *Coverage) Add(form Form, deciding []Condition, decided bool) {
	c.Pairs++
	if !decided {
		c.ByDefault++
	}
	for _, d := range deciding {
		c.cells[form][d.column()]++
	}
}

// Merge what another run counted.
func (c *Coverage) Merge(o *Coverage) {
	c.Enough += o.Enough
	c.Pairs += o.Pairs
	c.ByDefault += o.ByDefault
	for form := range c.cells {
		for column := range c.cells[form] {
			c.cells[form][column] += o.cells[form][column]
		}
	}
	for s := range c.statements {
		c.statements[s] += o.statements[s]
	}
}

// short is by how many pairs a cell falls short; 0 for impossible cells and
// for frames that nothing is promised of.
func (c *Coverage) short(form Form, d Condition) int {
	if form >= promised || form.Impossible(d) != "" {
		return 0
	}
	return max(0, c.Enough-c.cells[form][d.column()])
}

// Faults are the cells that are short, and the impossible ones that a pair
// was decided in, one a line.
func (c *Coverage) Faults() []string {
	var faults []string
	for form := range promised {
		for column := range conditions {
			d, n := conditionAt(column), c.cells[form][column]
			if why := form.Impossible(d); why != "" {
				if n > 0 {
					faults = append(faults, fmt.Sprintf("`%v` decided %d frames of form %v, which is impossible: %s", d, n, form, why))
				}
			} else if n < c.Enough {
				faults = append(faults, fmt.Sprintf("`%v` decided only %d frames of form %v, wanted %d", d, n, form, c.Enough))
			}
		}
	}
	for s, n := range c.statements {
		if n < c.Enough {
			faults = append(faults, fmt.Sprintf("%v: only %d pairs, wanted %d", statementKind(s), n, c.Enough))
		}
	}
	return faults
}

// Print the table: a row a condition, a column a form, "-" for the impossible
// cells; they are listed below it with the reason.
func (c *Coverage) Print(w io.Writer) {
	fmt.Fprintf(w, "%d pairs, %.1f %% decided by the default\n", c.Pairs, 100*float64(c.ByDefault)/float64(max(1, c.Pairs)))
	for s, n := range c.statements {
		fmt.Fprintf(w, "  %-40v%8d\n", statementKind(s), n)
	}
	fmt.Fprintf(w, "Pairs decided, by clause of the deciding rule and form of the frame (- is impossible):\n%-18s", "")
	for form := range Form(forms) {
		fmt.Fprintf(w, "%12v", form)
	}
	least, possible := c.Pairs, 0
	for column := range conditions {
		d := conditionAt(column)
		fmt.Fprintf(w, "\n%-18v", d)
		for form := range Form(forms) {
			if form < promised && form.Impossible(d) != "" {
				fmt.Fprintf(w, "%12s", "-")
				continue
			}
			n := c.cells[form][column]
			fmt.Fprintf(w, "%12d", n)
			if form < promised {
				least, possible = min(least, n), possible+1
			}
		}
	}
	fmt.Fprintf(w, "\n%d possible cells, the least with %d pairs (of mutated, cut and captured frames nothing is promised, and nothing asserted).\n", possible, least)
	fmt.Fprintf(w, "%d impossible ones, each with 0 pairs:\n", int(promised)*conditions-possible)
	for form := range promised {
		printImpossible(w, form)
	}
}

// printImpossible lists the impossible cells of a form in one line.
func printImpossible(w io.Writer, form Form) {
	cells := map[string][]string{}
	var reasons []string
	for column := range conditions {
		d := conditionAt(column)
		why := form.Impossible(d)
		if why == "" {
			continue
		}
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
		cells[why] = append(cells[why], d.String())
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s (%s)", strings.Join(cells[why], ", "), why)
	}
	fmt.Fprintf(w, "  %-12v%s\n", form, strings.Join(reasons, "; "))
}
