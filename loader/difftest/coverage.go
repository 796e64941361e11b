package difftest

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Enough is how many pairs each possible cell of Coverage must decide.
const Enough = 500

// Coverage counts the pairs that rules decided: by form of the frame, and by
// each condition of the deciding rule.
type Coverage struct {
	Pairs     int // all of them
	ByDefault int // decided by no rule
	cells     [forms][conditions]int
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

// short is by how many pairs a cell falls short; 0 for impossible cells and
// for frames that nothing is promised of.
func (c *Coverage) short(form Form, d Condition) int {
	if form == Mutated || form.Impossible(d) != "" {
		return 0
	}
	return max(0, Enough-c.cells[form][d.column()])
}

// Faults are the cells that are short, and the impossible ones that a pair
// was decided in, one a line.
func (c *Coverage) Faults() []string {
	var faults []string
	for form := range Mutated {
		for column := range conditions {
			d, n := conditionAt(column), c.cells[form][column]
			if why := form.Impossible(d); why != "" {
				if n > 0 {
					faults = append(faults, fmt.Sprintf("`%v` decided %d frames of form %v, which is impossible: %s", d, n, form, why))
				}
			} else if n < Enough {
				faults = append(faults, fmt.Sprintf("`%v` decided only %d frames of form %v, wanted %d", d, n, form, Enough))
			}
		}
	}
	return faults
}

// Print the table: a row a form, two columns a kind of clause (plain, with
// `not`); "-" stands for the impossible cells, which are listed below it with
// the reason.
func (c *Coverage) Print(w io.Writer) {
	fmt.Fprintf(w, "%d pairs, %.1f %% decided by the default\n%-12s", c.Pairs, 100*float64(c.ByDefault)/float64(max(1, c.Pairs)), "")
	for column := range conditions {
		d := conditionAt(column)
		head := strings.NewReplacer("frag first", "first", "frag later", "later", "from port", "sport", "to port", "dport").Replace(kindNames[d.Kind])
		if d.Not {
			head = "!" + head
		}
		fmt.Fprintf(w, "%8s", head)
	}
	fmt.Fprintln(w)
	for form := range Form(forms) {
		fmt.Fprintf(w, "%-12v", form)
		for column := range conditions {
			if form.Impossible(conditionAt(column)) != "" {
				fmt.Fprintf(w, "%8s", "-")
			} else {
				fmt.Fprintf(w, "%8d", c.cells[form][column])
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "Impossible, and 0 (of mutated frames nothing is promised, and nothing asserted):")
	for form := range Mutated {
		c.printImpossible(w, form)
	}
}

// printImpossible lists the impossible cells of a form in one line.
func (c *Coverage) printImpossible(w io.Writer, form Form) {
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
