package rules

import (
	"slices"
	"strings"
)

// noStatement reports what begins no statement, and skips it.
func (p *parser) noStatement(label Span) {
	defer p.skipStatement()
	switch p.tok.kind {
	case tokenBad:
		return // reported by the scanner
	case tokenClose:
		p.error("unexpected", p.span(), "this `}` closes nothing")
		p.advance()
		return
	case tokenWord:
		p.noStatementWord(label)
		return
	}
	if p.atEnd() {
		if label.IsZero() {
			return // a colon alone, reported
		}
		p.error("bad-label", label, "the name has no rule").help("write the rule behind it: %s", quote(label.Text()+": drop udp"))
		return
	}
	p.error("unexpected", p.span(), "%s begins no statement", p.found()).help("a rule begins with `pass` or `drop`")
}

// noStatementWord reports a word that begins no statement.
func (p *parser) noStatementWord(label Span) {
	word, span := p.word(), p.span()
	name, rest, colon := strings.Cut(word, ":")
	switch {
	case laterStatements[word]:
		p.notYet(span, quote(word))
	case foreignStatements[word] != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("did you mean %s?", quote(foreignStatements[word]))
	case label.IsZero() && colon && isName(name) && rest != "":
		p.error("bad-label", span, "the `:` of a name needs a blank behind it").help("write %s", quote(name+": "+rest))
	case !label.IsZero() && strings.HasSuffix(word, ":"):
		p.error("bad-label", span, "a second name for the same rule").note(label, "the first name")
	case label.IsZero() && isName(word) && p.colonFollows():
		p.error("bad-label", span, "the `:` of a name stands right behind it").help("write %s", quote(word+":"))
	case p.headsBlock():
		p.block() // which knows better what the word may have been
	default:
		p.error("unknown-word", span, "unknown word %s", quote(word)).Help = p.statementHelp(word)
	}
}

func (p *parser) statementHelp(word string) string {
	if help := didYouMean(word, statementNames); help != "" {
		return help
	}
	return "a statement begins with a verdict (`pass`, `drop`), with `set`, `default` or the like, or with a name and `:`"
}

// colonFollows says whether the next token begins with a colon.
func (p *parser) colonFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	return next.kind == tokenWord && ahead.text[next.start] == ':'
}

// headsBlock looks ahead, as far as the statement's line goes, for a brace
// that opens a block.
func (p *parser) headsBlock() bool {
	ahead := *p.scanner
	ahead.report = nil
	for {
		switch ahead.next().kind {
		case tokenEnd, tokenLine, tokenSemicolon, tokenClose:
			return false
		case tokenOpen:
			return opensBlock(ahead)
		}
	}
}

// opensBlock says whether statements rather than values stand behind a brace:
// the first word begins one, and no comma follows it.
func opensBlock(ahead scanner) bool {
	first := ahead.next()
	for first.kind == tokenLine {
		first = ahead.next()
	}
	word := string(ahead.text[first.start:first.end])
	switch {
	case first.kind == tokenNot:
		return true
	case first.kind != tokenWord:
		return false
	case beginsStatement(word) || word == "not":
		return true
	}
	next := ahead.next().kind
	return isClauseWord(word) && next != tokenComma && next != tokenClose
}

// atBlock says whether the current token is a brace that opens a block.
func (p *parser) atBlock() bool {
	if p.tok.kind != tokenOpen {
		return false
	}
	ahead := *p.scanner
	ahead.report = nil
	return opensBlock(ahead)
}

// noClause reports what begins no clause, and skips it with what belongs to it.
func (p *parser) noClause(list *clauses) {
	list.broken = true
	switch p.tok.kind {
	case tokenBad: // reported by the scanner
	case tokenWord:
		if word := p.word(); laterClauses[word] || laterStatements[word] {
			p.notYet(p.span(), quote(word))
			p.skipStatement() // its values are not known
			return
		}
		p.noClauseWord()
	case tokenSetName:
		p.error("no-head", p.span(), "a set alone is no clause").help("did you mean %s or %s?",
			quote("from "+p.span().Text()), quote("to "+p.span().Text()))
	case tokenOpen:
		if p.atBlock() {
			p.error("verdict-block", p.span(), "a block behind a rule").
				help("a block has clauses in front of it and no verdict; its rules have verdicts")
			p.skipStatement()
			return
		}
		p.error("unexpected", p.span(), "`{` begins no clause").
			help("a list stands behind what is compared with it: `from { … }`, `to port { … }`, `proto { … }`")
		p.skipStatement()
		return
	case tokenClose:
		p.error("unexpected", p.span(), "this `}` closes nothing")
	case tokenComma:
		p.error("unexpected", p.span(), "`,` outside of braces").
			help("alternatives stand in braces, as in `proto { tcp, udp }`; clauses that must all hold stand side by side")
	case tokenOperator:
		p.error("unexpected", p.span(), "%s stands behind a clause that takes no value", p.found()).
			help("compare with `proto`, `from`, `to`, `from port` or `to port`, as in `to port != 22`")
	default:
		p.error("unexpected", p.span(), "%s begins no clause", p.found())
	}
	p.advance()
	p.skipToClause()
}

// noClauseWord reports a word that begins no clause.
func (p *parser) noClauseWord() {
	word, span := p.word(), p.span()
	switch {
	case foreignClauses[word] != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("did you mean %s?", quote(foreignClauses[word]))
	case word == "and" || word == "or":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("clauses of a rule must all hold without a word between them; alternatives stand in braces, or in a rule of their own")
	case word == "any" || word == "all":
		p.error("unknown-word", span, "%s stands alone", quote(word)).
			help("leave it out: a rule without clauses matches every packet")
	case isNumberLike(word):
		p.error("no-head", span, "a number alone is no clause").
			help("did you mean %s or %s?", quote("to port "+word), quote("from port "+word))
	case isAddressLike(word):
		p.error("no-head", span, "an address alone is no clause").
			help("did you mean %s or %s?", quote("from "+word), quote("to "+word))
	case isFieldLike(word):
		p.unknownField(word, span)
	default:
		p.error("unknown-word", span, "unknown word %s", quote(word)).Help = p.clauseHelp(word)
	}
}

// clauseHelp: a value alone is often meant as the clause about it.
func (p *parser) clauseHelp(word string) string {
	switch {
	case flagNames.has(word) && p.lastIsFlag():
		return "flags are separated by commas: `flags syn,ack`"
	case flagNames.has(word):
		return "did you mean " + quote("flags "+word) + "?"
	case icmpTypes.has(word) || icmp6Types.has(word):
		return "did you mean " + quote("type "+word) + "?"
	}
	if help := didYouMean(word, clauseNames); help != "" {
		return help
	}
	if services.has(word) {
		return "did you mean " + quote("to port "+word) + "?"
	}
	return ""
}

// lastIsFlag says whether the token in front of the current one is a flag.
func (p *parser) lastIsFlag() bool {
	before := strings.TrimRight(string(p.scanner.text[max(p.lastEnd-8, 0):p.lastEnd]), " ")
	return flagNames.has(before[strings.LastIndexAny(before, " ,!\t")+1:])
}

// isFieldLike: words with one dot between them.
func isFieldLike(word string) bool {
	base, field, dotted := strings.Cut(word, ".")
	return dotted && isName(base) && isName(field)
}

// unknownField reports what looks like a field.
func (p *parser) unknownField(word string, span Span) {
	d := p.error("unknown-field", span, "unknown field %s", quote(word))
	base, field, _ := strings.Cut(word, ".")
	if other := foreignClauses[base]; other != "" && hasFields(other) {
		base = other
	}
	for _, candidate := range []string{base + "." + field, base + "." + foreignFields[field]} {
		if _, is := fields[candidate]; is {
			d.help("did you mean %s?", quote(candidate))
			return
		}
	}
	if d.Help = didYouMean(word, fieldWords); d.Help == "" && hasFields(base) {
		var known []string
		for _, name := range fieldWords {
			if strings.HasPrefix(name, base+".") {
				known = append(known, name)
			}
		}
		d.help("its fields are %s", strings.Join(known, ", "))
	}
}

// hasFields says whether some field's name begins with a word.
func hasFields(base string) bool {
	return slices.ContainsFunc(fieldWords, func(name string) bool { return strings.HasPrefix(name, base+".") })
}

func isNumberLike(word string) bool { return strings.Trim(word, "0123456789-") == "" }

// isAddressLike says that a word can only be meant as an address.
func isAddressLike(word string) bool {
	return strings.Trim(word, "0123456789abcdefABCDEF.:/-%") == "" && strings.ContainsAny(word, ".:/")
}

// skipToClause skips what follows a mistake up to the next word that surely
// begins a clause or statement.
func (p *parser) skipToClause() {
	for !p.atEnd() {
		word := p.word()
		if clauseWords[word] != 0 && clauseWords[word] != wordPort || isStatementWord(word) ||
			laterClauses[word] || laterStatements[word] {
			return
		}
		if p.tok.kind == tokenOpen {
			if !p.atBlock() {
				p.skipStatement()
			}
			return
		}
		p.advance()
	}
}

// barePort explains why `port 80` is not enough.
func (p *parser) barePort() {
	p.error("bare-port", p.span(), "`port` alone does not say whose port").
		help("packets to a server have its port behind `to`, packets from it behind `from`: write `to port …` or `from port …`")
}
