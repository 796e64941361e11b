package rules

// testStatement checks the packets of a test.
func (c *checker) testStatement(s *TestStatement) {
	block := TestBlock{Name: unquote(s.Name), Span: s.Span}
	if first, is := c.tests[block.Name]; is {
		c.warning("duplicate-test", s.Name, "a second test with the name %s", quote(block.Name)).note(first, "the first one").in(s.Span)
	} else {
		c.tests[block.Name] = s.Name
	}
	for i := range s.Cases {
		if test, ok := c.testCase(&s.Cases[i]); ok {
			block.Cases = append(block.Cases, test)
		}
	}
	if len(s.Cases) == 0 && !c.hasErrorIn(s.Span) {
		c.warning("empty-test", s.Name, "the test %s has no packets: it tests nothing", quote(block.Name)).in(s.Span)
	}
	c.rs.Tests = append(c.rs.Tests, block)
}

func (c *checker) testCase(n *CaseNode) (test TestCase, ok bool) {
	test = TestCase{Expect: n.Expect, Text: sourceText(n.Packet), Span: n.Span}
	if !n.Target.IsZero() {
		if test.Interface, ok = c.interfaceName(n.Target); !ok {
			return test, false
		}
	}
	if c.testBytes > MaxTestBytes {
		return test, false
	}
	packet, capture, ok := literalIn(n.Packet, c.report)
	if !ok {
		return test, false
	}
	test.Packet = packet
	if !capture.IsZero() {
		test.Capture = pathFrom(capture)
	}
	if c.testBytes += len(packet.Head); c.testBytes > MaxTestBytes {
		c.error("limit", n.Packet, "the packets of the tests have more bytes than they may have, together (limit: %d)", MaxTestBytes)
		return test, false
	}
	return test, true
}
