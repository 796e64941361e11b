package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"xdpfw/codegen"
	"xdpfw/loader"
)

// A watched is what `stats --watch` shows: the counters of an interface, and
// how fast they grow. It knows no terminal.
type watched struct {
	stats  *loader.Stats
	at     time.Time // when stats were read
	counts map[string]codegen.CounterValue
	rows   []watchedRow // in the order of the file, the default last
	failed error        // why there are none; nil if there are

	order  watchOrder
	offset int // first row shown
}

// A watchedRow is a counter and its rates: a second, since the sample before.
type watchedRow struct {
	key, where, text string
	codegen.CounterValue
	packetRate, byteRate float64
}

// A watchOrder is what rows are sorted by.
type watchOrder uint8

const (
	byRate watchOrder = iota
	byTotal
	byFile
	watchOrders
)

func (o watchOrder) String() string { return [...]string{"rate", "total", "file order"}[o] }

// sample takes in what was read at a time. Rates are zero of what was not there
// in the sample before, or went back since: it was reset.
func (m *watched) sample(s *loader.Stats, at time.Time) {
	seconds := at.Sub(m.at).Seconds()
	if m.stats == nil || m.stats.Digest != s.Digest {
		seconds = 0 // other rules
	}
	rate := func(key string, v codegen.CounterValue) (packets, bytes float64) {
		before, known := m.counts[key]
		if !known || seconds <= 0 || v.Packets < before.Packets || v.Bytes < before.Bytes {
			return 0, 0
		}
		return float64(v.Packets-before.Packets) / seconds, float64(v.Bytes-before.Bytes) / seconds
	}
	rows, counts := make([]watchedRow, 0, len(s.Rules)+6), map[string]codegen.CounterValue{}
	add := func(key, where, text string, v codegen.CounterValue) {
		r := watchedRow{key: key, where: where, text: text, CounterValue: v}
		r.packetRate, r.byteRate = rate(key, v)
		counts[key] = v
		rows = append(rows, r)
	}
	for _, c := range s.Rules {
		text := c.Text
		if c.Name != "" {
			text = c.Name + ": " + text
		}
		add(c.Key, fmt.Sprintf("%s:%d", c.Source, c.Line), text, c.CounterValue)
	}
	if s.Counting == codegen.CountVerdicts {
		for _, v := range s.Verdicts {
			add("\x00"+v.Verdict.String(), "rules", fmt.Sprintf("all that %v", v.Verdict), v.CounterValue)
		}
	}
	if s.Counting != codegen.CountNone {
		add("\x00default", "default", fmt.Sprintf("default %v", s.Default.Verdict), s.Default.CounterValue)
	}
	m.stats, m.at, m.rows, m.counts, m.failed = s, at, rows, counts, nil
}

// fail takes in that nothing could be read.
func (m *watched) fail(err error) {
	m.failed = err
	for i := range m.rows { // nothing is counted
		m.rows[i].packetRate, m.rows[i].byteRate = 0, 0
	}
}

// sorted rows.
func (m *watched) sorted() []watchedRow {
	rows := slices.Clone(m.rows)
	switch m.order {
	case byRate:
		slices.SortStableFunc(rows, func(a, b watchedRow) int {
			return cmp.Or(cmp.Compare(b.packetRate, a.packetRate), cmp.Compare(b.Packets, a.Packets))
		})
	case byTotal:
		slices.SortStableFunc(rows, func(a, b watchedRow) int { return cmp.Compare(b.Packets, a.Packets) })
	}
	return rows
}

// A shownLine is a line of the screen.
type shownLine struct {
	text string
	kind lineKind
}

type lineKind uint8

const (
	plainLine lineKind = iota
	headLine
	growingLine // of a counter that grows
	failedLine
)

// Lines above and below the rows.
const watchFrame = 4

// scroll moves the rows by some, on a screen of a height.
func (m *watched) scroll(by, height int) {
	m.offset = max(0, min(m.offset+by, len(m.rows)-max(1, height-watchFrame)))
}

// lines of a screen of a size; each is at most width characters.
func (m *watched) lines(width, height int) []shownLine {
	var out []shownLine
	add := func(kind lineKind, text string) { out = append(out, shownLine{cutTo(text, width), kind}) }
	switch {
	case m.failed != nil:
		add(failedLine, m.failed.Error())
	case m.stats == nil:
		add(plainLine, "reading …")
	default:
		add(headLine, m.title())
	}
	add(plainLine, m.totals())
	columns := watchColumns(width)
	add(headLine, columns.head())
	m.scroll(0, height)
	rows := m.sorted()
	for _, r := range rows[min(m.offset, len(rows)):] {
		if len(out) >= height-1 {
			break
		}
		kind := plainLine
		if r.packetRate > 0 {
			kind = growingLine
		}
		add(kind, columns.row(r))
	}
	for len(out) < height-1 {
		add(plainLine, "")
	}
	add(plainLine, fmt.Sprintf("by %v   s sorts   ↑ ↓ scroll   q quits", m.order))
	return out[:min(len(out), max(height, 0))]
}

func (m *watched) title() string {
	s := m.stats
	return fmt.Sprintf("%s  %s  %s  loaded %s", s.Interface, m.at.Format(time.TimeOnly), s.Source, s.Loaded)
}

// totals of all rules, by second.
func (m *watched) totals() string {
	var packets, bytes float64
	for _, r := range m.rows {
		packets += r.packetRate
		bytes += r.byteRate
	}
	text := fmt.Sprintf("%s packets/s  %sbit/s", short(packets), short(8*bytes))
	if m.stats != nil && m.stats.Counting != codegen.CountNone {
		for _, v := range m.stats.Verdicts {
			if v.Packets > 0 {
				text += fmt.Sprintf("  %v %s", v.Verdict, short(float64(v.Packets)))
			}
		}
		text += fmt.Sprintf("  default %s", short(float64(m.stats.Default.Packets)))
	}
	return text
}

// watchedColumns are the columns that fit.
type watchedColumns struct{ bytes, where bool }

func watchColumns(width int) watchedColumns {
	return watchedColumns{bytes: width >= 70, where: width >= 100}
}

func (c watchedColumns) head() string {
	return c.line("PACKETS/S", "BYTES/S", "PACKETS", "BYTES", "WHERE", "RULE")
}

func (c watchedColumns) row(r watchedRow) string {
	return c.line(short(r.packetRate), short(r.byteRate), fmt.Sprint(r.Packets), fmt.Sprint(r.Bytes), r.where, r.text)
}

func (c watchedColumns) line(packetRate, byteRate, packets, bytes, where, rule string) string {
	text := fmt.Sprintf("%9s", packetRate)
	if c.bytes {
		text += fmt.Sprintf("  %9s", byteRate)
	}
	text += fmt.Sprintf("  %10s", packets)
	if c.bytes {
		text += fmt.Sprintf("  %13s", bytes)
	}
	if c.where {
		text += fmt.Sprintf("  %-20s", where)
	}
	return text + "  " + rule
}

// short is a number in at most six characters: 950, 12.3k, 4.56M.
func short(v float64) string {
	units := []string{"", "k", "M", "G", "T", "P", "E"}
	for v >= 999.5 && len(units) > 1 {
		v, units = v/1000, units[1:]
	}
	switch {
	case v == 0 || v >= 100 || units[0] == "" && v >= 10:
		return fmt.Sprintf("%.0f%s", v, units[0])
	case v >= 10:
		return fmt.Sprintf("%.1f%s", v, units[0])
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00") + units[0]
}

// cutTo shortens a text to a number of characters.
func cutTo(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}
