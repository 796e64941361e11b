package rules

// clauses are those of a statement while they are read.
type clauses struct {
	nodes  []ClauseNode
	broken bool // parts could not be read
}

// readClauses reads clauses up to the end of the statement or a word that
// begins another, and, if they are the head of a block, up to its `{`. It is
// not ok if parsing stops.
func (p *parser) readClauses(head bool) (list clauses, ok bool) {
	if p.each != nil && !head {
		list.nodes = p.nodes[:0]
		defer func() { p.nodes = list.nodes }()
	}
	for !p.atEnd() && !isStatementWord(p.word()) && !(head && p.tok.kind == tokenOpen) {
		p.clause(&list)
		if n := len(list.nodes); n > MaxRuleClauses {
			p.error("limit", list.nodes[n-1].Span, "the rule has more clauses than it may have (limit: %d)", MaxRuleClauses)
			p.skipStatement()
			list.broken = true
			break
		}
	}
	if p.clauses += len(list.nodes); p.clauses > MaxClauses {
		p.error("limit", list.nodes[0].Span, "the rules of the file have more clauses than they may have (limit: %d)", MaxClauses)
		p.stop()
		return list, false
	}
	return list, true
}

// clause reads one clause, or two if it is `from X port P`.
func (p *parser) clause(list *clauses) {
	c := ClauseNode{}
	start := p.tok.start
	if p.tok.kind == tokenNot || p.word() == "not" {
		if !p.not(list) {
			return
		}
		c.Not = true
	}
	c.Head = p.span()
	if !p.clauseBehindNot(&c) {
		p.noClause(list)
		return
	}
	c.Span = p.since(start)
	if c.Value == nil && (c.Subject == noSubject || !c.Subject.IsProperty() || c.Subject == Interface) {
		list.broken = true
		return
	}
	list.nodes = append(list.nodes, c)
	if p.word() == "port" && (c.Subject == Source || c.Subject == Destination) {
		p.portBehind(list, &c)
	}
}

// clauseBehindNot reads a clause from its head on. It is false if none begins
// here. A clause that could not be read has no Subject or no Value.
func (p *parser) clauseBehindNot(c *ClauseNode) bool {
	word := p.word()
	switch kind := clauseWords[word]; kind {
	case wordProperty:
		c.Subject = properties[word]
		p.advance()
	case wordFrag:
		p.fragment(c)
	case wordProtocol:
		c.Subject = Protocol
		c.Value = listOfOne(c.Head, Element{Span: c.Head, Kind: ElementWord})
		p.advance()
	case wordField:
		c.Subject = fields[word]
		p.advance()
		p.operatorAndValue(c)
	case wordFrom, wordTo:
		p.endpoint(c, kind)
	case wordPort:
		p.barePort()
		p.advance()
		p.operatorAndValue(&ClauseNode{Head: c.Head, Subject: DestinationPort}) // so that its mistakes are found too
	case wordFlags:
		p.flags(c)
	case wordVLAN:
		p.vlan(c)
	case wordOn:
		c.Subject = Interface
		p.advance()
		p.operatorAndValue(c)
	case wordAt:
		p.rawBytes(c)
	default:
		return false
	}
	return true
}

// not reads the `not` in front of a clause and says whether a clause follows.
func (p *parser) not(list *clauses) bool {
	if p.tok.kind == tokenNot {
		p.error("unexpected", p.span(), "`!` does not begin a clause").help("write `not` in front of the clause")
		list.broken = true
	}
	span := p.span()
	p.advance()
	if p.word() == "not" || p.tok.kind == tokenNot {
		p.error("double-not", p.span(), "`not` twice").help("leave out both")
		list.broken = true
		for p.word() == "not" || p.tok.kind == tokenNot {
			p.advance()
		}
	}
	if p.atEnd() || isStatementWord(p.word()) || p.atBlock() {
		p.error("missing-clause", span.behind(), "`not` needs a clause behind it").help("write for example `not from 10.0.0.0/8`")
		list.broken = true
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
	if p.word() == "ports" {
		p.error("unknown-word", p.span(), "unknown word `ports`").help("did you mean `port`?")
	}
	if p.word() == "port" || p.word() == "ports" {
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
func (p *parser) portBehind(list *clauses, address *ClauseNode) {
	c := ClauseNode{Head: p.span(), Subject: portOf(address.Subject)}
	start := p.tok.start
	p.advance()
	p.operatorAndValue(&c)
	c.Span = p.since(start)
	if address.Not && c.Value != nil {
		p.notBoth(address, &c)
		list.broken = true
	}
	if c.Value == nil {
		list.broken = true
		return
	}
	list.nodes = append(list.nodes, c)
}

// notBoth explains why there is no `not from X port P`.
func (p *parser) notBoth(address, port *ClauseNode) {
	side, of := address.Head.Text(), squeeze(address.Span.Text())
	portClause := side + " " + squeeze(port.Span.Text())
	p.error("not-both", address.Span.to(port.Span), "`not` in front of address and port: not both, or neither of them?").
		help("say which is meant: %s negates the address only, %s each of them",
			quote(of+" "+portClause), quote(of+" not "+portClause))
}
