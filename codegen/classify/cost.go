package classify

// Cost is about how many nanoseconds a key takes.
func (p *Plan) Cost() float64 {
	cost := 0.0
	for _, in := range p.Inputs {
		cost += in.Search.Cost()
	}
	for _, product := range p.Products {
		cost += 0.5 + loadCost(len(product.Table)*Width(product.Table))
	}
	for _, m := range p.Demands.Matrices {
		cost += 0.5 + memoryCost(len(m.Rows))
	}
	for i := range p.Groups {
		cost += p.Groups[i].cost()
	}
	return cost
}

// crowdedCost is what a plan of the same boxes is compared by. Tables beyond the
// second level of caches also take from one another, from counters and from packets
// what there is of the last one and of the TLB: 8 ns for each MiB, by 100,000
// rules in one group and in two.
func (p *Plan) crowdedCost() float64 {
	const free, perMiB = 1 << 20, 8
	touched := p.Bytes()
	for i := range p.Groups {
		g := &p.Groups[i]
		rows := len(g.Rows) * Width(g.Rows)
		touched -= rows - min(rows, g.touchedRows())
	}
	return p.Cost() + perMiB*float64(max(0, touched-free))/(1<<20)
}

// touchedRows is how many bytes of large rows packets touch: those of few boxes
// touch few lines.
func (g *Group) touchedRows() int { return 4 * cacheLine * g.Boxes }

// Crowding is about how many nanoseconds more a key takes because each table lacks
// what the others take of the caches.
func (p *Plan) Crowding() float64 { return 1.25 * memoryCost(p.Bytes()) }

func (g *Group) cost() float64 {
	cost := 1.5
	if g.Hash != nil {
		cost += g.Hash.Cost()
	} else {
		cost += loadCost(len(g.Dense) * Width(g.Dense))
	}
	if g.Records != nil {
		cost += loadCost(len(g.Records) * Width(g.Records))
	}
	if g.Trials > 0 {
		cost += loadCost(len(g.Lists)) + 8 + float64(g.Trials)/2*(1+0.8*float64(len(g.Ranks)))
	}
	if g.Tests > 0 {
		cost += 2.5 + 3*(g.Named-1) + min(1, g.Named-1)*(6+memoryCost(4*len(g.Entries))) // 6: how long a list is, is seldom foreseen
	}
	if g.RowHash != nil {
		cost += g.RowHash.Cost()
	} else if g.Width > 1 {
		cost += 0.5 + loadCost(min(len(g.Rows)*Width(g.Rows), g.touchedRows()))
	}
	if g.Leaves != nil {
		cost += loadCost(len(g.Leaves) * Width(g.Leaves))
	}
	return cost
}

// loadCost is what a load from a table of so many bytes takes at a random place.
func loadCost(bytes int) float64 { return max(1, memoryCost(bytes)) }
