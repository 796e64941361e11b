package rules

// testStatement reads `test "name" { … }`.
func (p *parser) testStatement() {
	start := p.tok.start
	p.advance()
	if p.tok.kind != tokenString || p.tok.end-p.tok.start == len(`""`) {
		if p.tok.kind != tokenBad {
			p.error("bad-test", p.spanOrHere(), "`test` needs a name in quotes").help("write `test \"the web server is reachable\" { … }`")
		}
		p.skipStatement()
		for p.tok.kind == tokenLine && p.behindLines().kind == tokenOpen {
			p.skipLines()
			p.skipStatement()
		}
		return
	}
	s := &TestStatement{Name: p.span()}
	p.advance()
	p.openInNextLine()
	if p.tok.kind != tokenOpen {
		if p.tok.kind != tokenBad {
			p.error("bad-test", p.spanOrHere(), "found %s where the test's `{` should be", p.found()).
				help("the packets of a test stand in braces, one a line, with the verdict in front")
		}
		p.skipStatement()
		if !p.bodyFollows(start) {
			return
		}
	}
	s.Open = p.spanOrHere()
	p.within = append(p.within, enclosure{s.Open, p.indent(start)})
	p.scanner.inPackets = true
	p.advance()
	p.testCases(s)
	p.scanner.inPackets = false
	closed := p.atClose()
	p.within = p.within[:len(p.within)-1]
	if closed {
		p.advance()
	} else {
		p.unclosed(s.Open)
		p.cut = true
	}
	p.finish(s, &s.Span, start)
}

// testCases reads the lines of a test.
func (p *parser) testCases(s *TestStatement) {
	for p.tok.kind != tokenEnd && !p.atClose() && !p.lacksClose() {
		if p.tok.kind == tokenLine || p.tok.kind == tokenSemicolon {
			p.advance()
			continue
		}
		p.cut = false
		p.testCase(s)
	}
}

// testCase reads a verdict and where the packet behind it stands, which is
// read when it is checked.
func (p *parser) testCase(s *TestStatement) {
	start := p.tok.start
	c := CaseNode{Expect: verdicts[p.word()]}
	if !c.Expect.Decides() {
		p.noExpectation()
		p.skipStatement()
		return
	}
	p.advance()
	if c.Expect == Redirect && (p.tok.kind == tokenString || p.word() != "" && !beginsLiteral(p.word())) {
		c.Target = p.span()
		p.advance()
	}
	if p.atEnd() && !p.closesTooEarly(s.Open) {
		p.error("missing-packet", p.here(), "%s needs a packet behind it", quote(c.Expect.String())).Help = literalHelp
		return
	}
	packet := p.tok.start
	for ; !p.atEnd() || p.closesTooEarly(s.Open); p.advance() {
		switch p.tok.kind {
		case tokenBad: // reported by the scanner
			p.skipStatement()
			return
		case tokenOpen, tokenClose:
			p.error("bad-packet", p.span(), "%s in a packet", p.found()).help("a test's packet is one packet, without lists")
			for p.closesTooEarly(s.Open) {
				p.advance()
			}
			p.skipStatement()
			return
		}
	}
	c.Packet, c.Span = p.since(packet), p.since(start)
	if p.rules++; p.rules > MaxRules {
		p.error("limit", c.Span, "there are more rules and packets than there may be (limit: %d)", MaxRules)
		p.stop()
		return
	}
	s.Cases = append(s.Cases, c)
}

// closesTooEarly says whether the current token is a `}` with more behind it in
// its line, within a test of several lines: that is not its end.
func (p *parser) closesTooEarly(open Span) bool {
	if p.tok.kind != tokenClose || p.scanner.file.lineAt(open.Start) == p.scanner.file.lineAt(p.tok.start) {
		return false
	}
	ahead := *p.scanner
	ahead.report = nil
	switch next := ahead.next(); next.kind {
	case tokenWord:
		return !isStatementWord(string(ahead.text[next.start:next.end]))
	case tokenString, tokenOperator, tokenSetName, tokenComma:
		return true
	}
	return false
}

// noExpectation reports what begins no line of a test.
func (p *parser) noExpectation() {
	if p.tok.kind == tokenBad {
		return // reported by the scanner
	}
	d := p.error("bad-test", p.span(), "%s begins no line of a test", p.found())
	switch word := p.word(); {
	case word == "count" || word == "return":
		d.help("%s decides nothing; a line begins with the verdict that the packet must have", quote(word))
	case foreignStatements[word] != "":
		d.help("did you mean %s?", quote(foreignStatements[word]))
	case beginsLiteral(word):
		d.help("the verdict that the packet must have stands in front: %s", quote("pass "+word+" …"))
	default:
		if d.Help = didYouMean(word, expectNames); d.Help == "" {
			d.help("a line begins with the verdict that the packet must have: `pass tcp 198.51.100.7 > 203.0.113.1:443`")
		}
	}
}
