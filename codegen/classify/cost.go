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
	for i := range p.Groups {
		cost += p.Groups[i].cost()
	}
	return cost
}

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
	if g.RowHash != nil {
		cost += g.RowHash.Cost()
	} else if g.Width > 1 {
		cost += 0.5 + loadCost(len(g.Rows)*Width(g.Rows))
	}
	if g.Leaves != nil {
		cost += loadCost(len(g.Leaves) * Width(g.Leaves))
	}
	return cost
}

// loadCost is what a load from a table of so many bytes takes at a random place.
func loadCost(bytes int) float64 {
	for _, level := range []struct {
		bytes int
		ns    float64
	}{{32 << 10, 1}, {256 << 10, 1.5}, {1 << 20, 3}, {8 << 20, 6}, {32 << 20, 11}} {
		if bytes <= level.bytes {
			return level.ns
		}
	}
	return 25
}
