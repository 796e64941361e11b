package rules

import "strings"

// nearest is the candidate that a word is most likely a misspelling of, or "".
// Of several that are as near the first counts.
func nearest(word string, candidates []string) string {
	const longest = MaxNameLength
	if len(word) > longest {
		return ""
	}
	lower := strings.ToLower(word)
	best, bestDistance := "", 1+max(1, len(word)/3)
	if len(word) == 1 {
		bestDistance = 1 // one character in place of another is no misspelling
	}
	for _, c := range candidates {
		if abs(len(c)-len(word)) >= bestDistance {
			continue
		}
		if d := editDistance(lower, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// editDistance is how many characters must be inserted, deleted, replaced or
// swapped with their neighbour to get from a to b (optimal string alignment).
func editDistance(a, b string) int {
	before := make([]int, len(b)+1) // the row before last
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// didYouMean is help that names the nearest candidate, or "".
func didYouMean(word string, candidates []string) string {
	if c := nearest(word, candidates); c != "" {
		return "did you mean " + quote(c) + "?"
	}
	return ""
}
