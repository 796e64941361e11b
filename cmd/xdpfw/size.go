package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"xdpfw/codegen"
)

// sizeUnits are those that sizes are given in, the largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// maxSize is more than tables can have on any machine, and far from an overflow.
const maxSize = 1 << 40

// parseSize reads a number of bytes such as 64MiB; an error is wrong usage.
func parseSize(text string) (int64, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange), strings.Trim(digits, "0123456789") != "":
			return 0, usagef("--table-memory %s: %q is not a whole number", text, digits)
		case err != nil || n > maxSize/unit.bytes:
			return 0, usagef("--table-memory %s: the most is %s", text, sizeText(maxSize))
		case n == 0:
			return 0, usagef("--table-memory %s: without memory there are no tables; for rules one after another: --strategy %s", text, codegen.Chain)
		}
		return n * unit.bytes, nil
	}
	return 0, usagef("--table-memory %s: must be a number with its unit, KiB, MiB or GiB, such as %s", text, sizeText(codegen.DefaultTableMemory))
}

// sizeText is a whole number of KiB in the largest unit that it is a whole number of.
func sizeText(bytes int64) string {
	smallest := len(sizeUnits) - 1
	for _, unit := range sizeUnits[:smallest] {
		if bytes%unit.bytes == 0 {
			return fmt.Sprint(bytes/unit.bytes, unit.name)
		}
	}
	return fmt.Sprint(bytes/sizeUnits[smallest].bytes, sizeUnits[smallest].name)
}
