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
	d := p.error("unexpected", p.span(), "%s begins no statement", p.found()).help("a rule begins with `pass` or `drop`")
	if p.tok.kind == tokenOpen {
		d.help("a block has clauses in front of its `{`")
	}
}

// noStatementWord reports a word that begins no statement.
func (p *parser) noStatementWord(label Span) {
	word, span := p.word(), p.span()
	name, rest, colon := strings.Cut(word, ":")
	switch {
	case laterStatements[word]:
		p.notYet(span, quote(word))
	case foreignCommands[word] || len(word) > 1 && word[0] == '-':
		p.error("unknown-word", span, "%s is not of this language", quote(word)).
			help("there are no tables and commands: a line is a rule, as in `drop tcp from 10.0.0.0/8 to port 22`")
	case isComment(word):
		p.error("unknown-word", span, "unknown word %s", quote(word)).help("comments begin with `#`")
	case foreignStatements[word] != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("did you mean %s?", quote(foreignStatements[word]))
	case label.IsZero() && colon && isName(name) && rest != "":
		p.error("bad-label", span, "the `:` of a name needs a blank behind it").help("write %s", quote(name+": "+rest))
	case !label.IsZero() && strings.HasSuffix(word, ":"):
		p.error("bad-label", span, "a second name for the same rule").note(label, "the first name")
	case label.IsZero() && isName(word) && p.colonFollows():
		p.error("bad-label", span, "the `:` of a name stands right behind it").help("write %s", quote(word+":"))
	case p.headsBlock() && !p.stringFollows():
		p.block() // which knows better what the word may have been
	default:
		d := p.error("unknown-word", span, "unknown word %s", quote(word))
		if d.Help = p.statementHelp(word); isName(word) && nearest(word, statementNames) == "" && p.verdictFollows() {
			d.help("did you mean %s?", quote(word+":"))
		}
		if p.equalsFollows() {
			d.help("did you mean %s?", quote("set "+word))
		}
	}
}

// verdictFollows says whether the next token begins a rule.
func (p *parser) verdictFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	return next.kind == tokenWord && isVerdictWord(string(ahead.text[next.start:next.end]))
}

// equalsFollows says whether the next token is a `=`.
func (p *parser) equalsFollows() bool {
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	return next.kind == tokenOperator && string(ahead.text[next.start:next.end]) == "="
}

func (p *parser) statementHelp(word string) string {
	if help := didYouMean(word, statementNames); help != "" {
		return help
	}
	if foreignClauses[word] != "" || foreignHelp[word] != "" || word == "meta" {
		return "a rule begins with its verdict, and clauses follow: `drop tcp from 10.0.0.0/8 to port 22`"
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
		if p.scanner.text[p.tok.start] == '(' {
			p.skipToBlock() // clauses stand in parentheses, and words between them
			return
		}
	case tokenWord:
		if word := p.word(); laterClauses[word] || laterStatements[word] {
			p.notYet(p.span(), quote(word))
			p.skipStatement() // its values are not known
			return
		}
		if p.noClauseWord(list) {
			return
		}
	case tokenSetName:
		name := p.span().Text()
		p.error("no-head", p.span(), "a set alone is no clause").
			help("did you mean %s, %s or %s?", quote("from "+name), quote("to "+name), quote("to port "+name))
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
		if p.statementFollows() {
			p.error("unexpected", p.span(), "`,` between statements").help("a statement ends with its line, or at `;`")
			p.advance()
			p.cut = true
			return
		}
		p.comma(list.last())
	case tokenOperator:
		p.strayOperator(list.last())
	case tokenString:
		p.error("unexpected", p.span(), "%s begins no clause", p.found()).help("an interface stands behind `on`; all else is written without quotes")
		p.skipStatement() // over braces as a whole: perhaps a test's
		return
	default:
		p.error("unexpected", p.span(), "%s begins no clause", p.found())
	}
	p.advance()
	p.skipToClause()
}

// noClauseWord reports a word that begins no clause. It is true if what
// belongs to it was skipped.
func (p *parser) noClauseWord(list *clauses) (skipped bool) {
	word, span, last := p.word(), p.span(), list.last()
	switch {
	case foreignHelp[word] != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).Help = foreignHelp[word]
		if word == "ether" || word == "ct" { // what follows is of their language too
			p.skipToBlock()
			return true
		}
	case foreignClauses[word] != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("did you mean %s?", quote(foreignClauses[word]))
	case word == "and" || word == "or":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("clauses of a rule must all hold without a word between them; alternatives stand in braces, or in a rule of their own")
	case word == "any" || word == "all":
		p.error("unknown-word", span, "%s stands alone", quote(word)).
			help("leave it out: a rule without clauses matches every packet")
	case strings.HasSuffix(word, ":") && isName(word[:len(word)-1]):
		p.error("bad-label", span, "the name of a rule stands in front of its verdict").help("write %s", quote(word+" drop …"))
	case isComment(word):
		p.error("unknown-word", span, "unknown word %s", quote(word)).help("comments begin with `#`")
		p.skipToBlock()
		return true
	case word[0] == '-' && strings.Trim(word, "-0123456789") != "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).
			help("clauses are words without `-`: `tcp from 10.0.0.0/8 to port 22`")
		p.skipToBlock()
		return true
	case word[0] == '-' && strings.Trim(word, "-") == "":
		p.error("unexpected", span, "%s begins no clause", quote(word)).help("a range has two ends, as in `8000-8100`")
	case last != nil && (last.Subject == Frag || last.Subject == FragFirst || last.Subject == FragLater) && nearest(word, clauseNames) == "":
		p.error("unknown-word", span, "unknown word %s", quote(word)).help("it is `frag`, `frag first` or `frag later`")
	case isNumberLike(word):
		return p.numberAlone(word, span, last)
	case isAddressLike(word):
		p.addressAlone(word, span, last)
	case isFieldLike(strings.ToLower(word)):
		p.unknownField(word, span)
	case len(word) > 1 && (word[0] == '.' || word[len(word)-1] == '.'):
		p.error("unknown-field", span, "unknown field %s", quote(word)).help("a field is one word without blanks: `ip.ttl`")
	default:
		p.error("unknown-word", span, "unknown word %s", quote(word)).Help = p.clauseHelp(word)
	}
	return false
}

// last is the clause that was read last, nil if there is none.
func (list *clauses) last() *ClauseNode {
	if len(list.nodes) == 0 {
		return nil
	}
	return &list.nodes[len(list.nodes)-1]
}

// single is the value of a clause that has one word behind its head, "" if it
// has another value or none.
func (n *ClauseNode) single() string {
	if n == nil || n.Value == nil || n.Value.Braces || len(n.Value.Elements) != 1 || n.Value.Span == n.Head {
		return ""
	}
	return n.Value.Span.Text()
}

// comma reports a comma behind a clause.
func (p *parser) comma(last *ClauseNode) {
	d := p.error("unexpected", p.span(), "`,` outside of braces").
		help("alternatives stand in braces, as in `proto { tcp, udp }`; clauses that must all hold stand side by side")
	if last.single() == "" {
		return
	}
	ahead := *p.scanner
	ahead.report = nil
	next := ahead.next()
	if next.kind != tokenWord && next.kind != tokenSetName {
		return
	}
	both := squeeze(last.single()) + ", " + string(ahead.text[next.start:next.end])
	d.help("alternatives stand in braces: %s", quote(strings.ReplaceAll(squeeze(last.Head.Text()), "ports", "port")+" { "+both+" }"))
	if last.Subject == TCPFlags {
		d.help("flags with commas between them stand behind `flags`: %s", quote("flags "+strings.ReplaceAll(both, " ", "")))
	}
}

// strayOperator reports an operator in front of which there is nothing to compare.
func (p *parser) strayOperator(last *ClauseNode) {
	if last != nil && last.Value != nil && last.Value.Span != last.Head {
		p.error("unexpected", p.span(), "%s behind a clause that has its value already", p.found()).
			help("each comparison is a clause with its own head: %s", quote(squeeze(last.Head.Text())+" "+p.span().Text()+" …"))
		return
	}
	p.error("unexpected", p.span(), "%s stands behind a clause that takes no value", p.found()).
		help("compare with `proto`, `from`, `to`, `from port` or `to port`, as in `to port != 22`")
}

// numberAlone reports a number in place of a clause.
func (p *parser) numberAlone(word string, span Span, last *ClauseNode) (skipped bool) {
	d := p.error("no-head", span, "a number alone is no clause").
		help("did you mean %s or %s?", quote("to port "+word), quote("from port "+word))
	ahead := *p.scanner
	ahead.report = nil
	if ahead.next().kind == tokenOperator {
		d.help("the field stands in front of the operator, the number behind it: `to port > 1024`")
		p.skipToBlock()
		return true
	}
	if last != nil && last.isType() {
		d.help("did you mean %s?", quote("code "+word))
	}
	return false
}

// addressAlone reports an address in place of a clause, perhaps the mask of
// the one in front of it.
func (p *parser) addressAlone(word string, span Span, last *ClauseNode) {
	d := p.error("no-head", span, "an address alone is no clause").
		help("did you mean %s or %s?", quote("from "+word), quote("to "+word))
	if before := last.single(); isIP4Like(before) && isIP4Like(word) && (strings.HasPrefix(word, "255.") || strings.HasPrefix(word, "0.")) {
		d.help("a mask stands right behind the address and its `/`: %s", quote(before+"/"+word))
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
	case word == "ping" || word == "pong":
		return "did you mean " + quote("type "+foreignTypes[word]) + "?"
	}
	if field := onlyField(word); field != "" {
		return "did you mean " + quote(field) + "?"
	}
	if help := didYouMean(word, clauseNames); help != "" {
		return help
	}
	if services.has(word) {
		return "did you mean " + quote("to port "+word) + "?"
	}
	return "clauses are `tcp`, `from …`, `to port …`, `flags …` and the like; other protocols are `proto NUMBER`"
}

// onlyField is the one field that a header has, "" if it has several or none.
func onlyField(header string) (field string) {
	for _, name := range fieldWords {
		if strings.HasPrefix(name, header+".") {
			if field != "" {
				return ""
			}
			field = name
		}
	}
	return field
}

// isComment says whether a word begins a comment in other languages.
func isComment(word string) bool {
	return strings.HasPrefix(word, "//") || strings.HasPrefix(word, "/*")
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
	base, field, _ := strings.Cut(strings.ToLower(word), ".")
	if other := foreignClauses[base]; other != "" && hasFields(other) {
		base = other
	}
	for _, candidate := range []string{base + "." + field, base + "." + foreignFields[field], base + "." + foreignPorts[field]} {
		if _, is := fields[candidate]; is {
			d.help("did you mean %s?", quote(candidate))
			return
		}
	}
	if !hasFields(base) {
		d.Help = didYouMean(word, fieldWords)
		return
	}
	var known, short []string // the latter without the base: it counts as right
	for _, name := range fieldWords {
		if rest, is := strings.CutPrefix(name, base+"."); is {
			known, short = append(known, name), append(short, rest)
		}
	}
	switch near := nearest(field, short); {
	case field == "port" && slices.Contains(short, "dport"):
		d.help("did you mean %s or %s?", quote(base+".dport"), quote(base+".sport"))
	case near != "":
		d.help("did you mean %s?", quote(base+"."+near))
	default:
		d.help("its fields are %s; others are read with `at`", strings.Join(known, ", "))
	}
}

// hasFields says whether some field's name begins with a word.
func hasFields(base string) bool {
	return slices.ContainsFunc(fieldWords, func(name string) bool { return strings.HasPrefix(name, base+".") })
}

func isNumberLike(word string) bool {
	return strings.Trim(word, "0123456789-") == "" && strings.Trim(word, "-") != ""
}

// isAddressLike says that a word can only be meant as an address.
func isAddressLike(word string) bool {
	return strings.Trim(word, "0123456789abcdefABCDEF.:/-%") == "" && strings.ContainsAny(word, ".:/")
}

// skipToClause skips what follows a mistake up to the next word that surely
// begins a clause or statement.
func (p *parser) skipToClause() {
	for !p.atEnd() {
		word := p.word()
		if clauseWords[word] != 0 && clauseWords[word] != wordPort || isStatementWord(word) {
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

// skipToBlock skips the rest of a statement, but no block that it heads.
func (p *parser) skipToBlock() {
	for !p.atEnd() {
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
