package main

import (
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A curve is what one program shows, over the number of rules.
type curve struct {
	name     string
	part     string
	program  string
	measured func(record) float64
}

func netNS(r record) float64   { return r.Net }
func wholeNS(r record) float64 { return r.NS }

// untilLoaded is all the time from the text to the kernel, in seconds. Of others
// than ours that is the time to load: they do not read our text.
func untilLoaded(r record) float64 {
	if r.CompileSeconds == 0 {
		return r.LoadSeconds
	}
	return r.ParseSeconds + r.CompileSeconds + r.LoadSeconds
}

func mebibytes(r record) float64 { return float64(r.TableBytes) / (1 << 20) }

// Plots, by file.
var plots = []struct {
	file, title, unit string
	curves            []curve
}{
	{"packet.svg", "A packet in the program, over one that only drops", "ns", []curve{
		{"chain", "scale", "chain", netNS},
		{"table", "scale", "table", netNS},
		{"auto", "scale", "auto", netNS},
		{"one look-up in a hash map", "scale", "hash", netNS},
	}},
	{"path.svg", "A packet on the whole path over veth, up to where it is dropped", "ns", []curve{
		{"nft, in a line", "path-scale", "nft in a line", wholeNS},
		{"nft, sets of intervals", "path-scale", "nft sets", wholeNS},
		{"iptables, raw", "path-scale", "iptables raw", wholeNS},
		{"xdpfw", "path-scale", "auto", wholeNS},
		{"an XDP program that only drops", "path-scale", "drop", wholeNS},
	}},
	{"load.svg", "From the text of the rules to the loaded program", "s", []curve{
		{"xdpfw, chain", "scale", "chain", untilLoaded},
		{"xdpfw, table", "scale", "table", untilLoaded},
		{"nft, in a line", "path-scale", "nft in a line", untilLoaded},
		{"nft, sets of intervals", "path-scale", "nft sets", untilLoaded},
		{"iptables, raw", "path-scale", "iptables raw", untilLoaded},
	}},
	{"memory.svg", "Memory of tables", "MiB", []curve{
		{"chain", "scale", "chain", mebibytes},
		{"table", "scale", "table", mebibytes},
	}},
}

// draws the plots into a folder.
func draws(folder string, records []record) error {
	for _, of := range plots {
		p := plot.New()
		p.Title.Text, p.X.Label.Text, p.Y.Label.Text = of.title, "rules", of.unit
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
		p.Legend.Top, p.Legend.Left = true, true
		p.BackgroundColor = color.White
		p.Add(plotter.NewGrid())
		for i, c := range of.curves {
			points := c.points(records)
			if len(points) == 0 {
				continue
			}
			line, marks, err := plotter.NewLinePoints(points)
			if err != nil {
				return err
			}
			line.Color, marks.Color = colours[i], colours[i]
			line.Width, marks.Radius, marks.Shape = vg.Points(1.5), vg.Points(2.5), draw.CircleGlyph{}
			p.Add(line, marks)
			p.Legend.Add(c.name, line, marks)
		}
		p.X.Max *= 1.3
		p.Y.Max *= 8 // room for the legend
		if err := p.Save(16*vg.Centimeter, 10*vg.Centimeter, filepath.Join(folder, of.file)); err != nil {
			return err
		}
	}
	return nil
}

// colours that people with any kind of colour vision tell apart (Okabe and Ito).
var colours = []color.Color{
	color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0x00, 0x00, 0x00, 0xff},
}

// points of the curve, as far as they can stand on a logarithmic axis.
func (c curve) points(records []record) (out plotter.XYs) {
	for _, r := range records {
		// Where the part "scale" ends, the part "large" has a set that is made in the same way.
		goesOn := c.part == "scale" && r.Set == "acl 100k"
		if (r.Part == c.part || goesOn) && r.Program == c.program && r.Failed == "" && c.measured(r) > 0 {
			out = append(out, plotter.XY{X: float64(r.Rules), Y: c.measured(r)})
		}
	}
	slices.SortFunc(out, func(a, b plotter.XY) int { return int(a.X - b.X) })
	return out
}
