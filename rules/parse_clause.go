package rules

// clause reads one clause, or two if it is `from X port P`.
func (p *parser) clause(rule *RuleStatement) {
	c := ClauseNode{}
	start := p.tok.start
	if p.tok.kind == tokenNot || p.word() == "not" {
		if !p.not(rule) {
			return
		}
		c.Not = true
	}
	c.Head = p.span()
	kind := clauseWords[p.word()]
	switch kind {
	case wordProperty:
		c.Subject = properties[p.word()]
		p.advance()
	case wordFrag:
		p.fragment(&c)
	case wordProtocol:
		c.Subject = Protocol
		c.Value = &List{Span: c.Head, Elements: []Element{{Span: c.Head, Kind: ElementWord}}}
		p.advance()
	case wordProto:
		c.Subject = Protocol
		p.advance()
		p.operatorAndValue(&c)
	case wordFrom, wordTo:
		p.endpoint(&c, kind)
	case wordPort:
		p.barePort()
		rule.broken = true
		p.advance()
		p.operatorAndValue(&ClauseNode{Head: c.Head, Subject: DestinationPort}) // so that its mistakes are found too
		return
	default:
		p.noClause(rule)
		return
	}
	c.Span = p.since(start)
	if !c.Subject.IsProperty() && c.Value == nil {
		rule.broken = true
		return
	}
	rule.Clauses = append(rule.Clauses, c)
	if p.word() == "port" && (c.Subject == Source || c.Subject == Destination) {
		p.portBehind(rule, &c)
	}
}

// not reads the `not` in front of a clause and says whether a clause follows.
func (p *parser) not(rule *RuleStatement) bool {
	if p.tok.kind == tokenNot {
		p.error("unexpected", p.span(), "`!` does not begin a clause").help("write `not` in front of the clause")
		rule.broken = true
	}
	span := p.span()
	p.advance()
	if p.word() == "not" || p.tok.kind == tokenNot {
		p.error("double-not", p.span(), "`not` twice").help("leave out both")
		rule.broken = true
		for p.word() == "not" || p.tok.kind == tokenNot {
			p.advance()
		}
	}
	if p.atEnd() || isStatementWord(p.word()) {
		p.error("missing-clause", span.behind(), "`not` needs a clause behind it").help("write for example `not from 10.0.0.0/8`")
		rule.broken = true
		p.skipStatement()
		return false
	}
	return true
}

// fragment reads `frag`, `frag first` or `frag later`.
func (p *parser) fragment(c *ClauseNode) {
	p.advance()
	switch p.word() {
	case "first":
		c.Subject = FragFirst
	case "later":
		c.Subject = FragLater
	default:
		c.Subject = Frag
		return
	}
	c.Head = c.Head.to(p.span())
	p.advance()
}

// endpoint reads `from …` or `to …`, of an address or a port.
func (p *parser) endpoint(c *ClauseNode, kind clauseWord) {
	c.Subject = Source
	if kind == wordTo {
		c.Subject = Destination
	}
	p.advance()
	if p.word() == "port" {
		c.Subject = portOf(c.Subject)
		c.Head = c.Head.to(p.span())
		p.advance()
	}
	p.operatorAndValue(c)
}

// portOf is the port on the side of an address.
func portOf(address Subject) Subject {
	if address == Source {
		return SourcePort
	}
	return DestinationPort
}

// portBehind reads the port of `from X port P`.
func (p *parser) portBehind(rule *RuleStatement, address *ClauseNode) {
	c := ClauseNode{Head: p.span(), Subject: portOf(address.Subject)}
	start := p.tok.start
	p.advance()
	p.operatorAndValue(&c)
	c.Span = p.since(start)
	if address.Not && c.Value != nil {
		p.notBoth(address, &c)
		rule.broken = true
	}
	if c.Value == nil {
		rule.broken = true
		return
	}
	rule.Clauses = append(rule.Clauses, c)
}

// notBoth explains why there is no `not from X port P`.
func (p *parser) notBoth(address, port *ClauseNode) {
	side, of := address.Head.Text(), squeeze(address.Span.Text())
	portClause := side + " " + squeeze(port.Span.Text())
	p.error("not-both", address.Span.to(port.Span), "`not` in front of address and port: not both, or neither of them?").
		help("say which is meant: %s negates the address only, %s each of them",
			quote(of+" "+portClause), quote(of+" not "+portClause))
}
