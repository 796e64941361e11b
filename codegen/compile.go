package codegen

import (
	"errors"

	"xdpfw/rules"
)

// Compile a rule set.
func Compile(rs *rules.RuleSet, opts Options) (*Object, error) {
	return nil, errors.New("not built yet")
}
