package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"xdpfw/loader"
)

// Bounds of --interval.
const (
	shortestInterval = 100 * time.Millisecond
	longestInterval  = time.Hour
)

func intervalFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: "interval", Value: time.Second, Usage: "with --watch: read the counters every `DURATION`",
		Action: func(_ *cli.Context, given time.Duration) error {
			if given < shortestInterval || given > longestInterval {
				return usagef("--interval %v: must be from %v to %v", given, shortestInterval, longestInterval)
			}
			return nil
		},
	}
}

// watchStats shows the counters again and again, until it is told to end: on a
// terminal as a table that fits it, elsewhere block by block.
func watchStats(c *cli.Context, iface string) error {
	read := func() (s *loader.Stats, err error) {
		err = inNamespace(c, func() error {
			s, err = loader.ReadStats(iface)
			return err
		})
		return s, err
	}
	stopped, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	first, err := read()
	if err != nil {
		return err
	}
	model := new(watched)
	model.sample(first, time.Now())
	if !c.Bool("json") && isTerminal(os.Stdout) && os.Getenv("TERM") != "dumb" {
		return watchOnScreen(stopped, c.Duration("interval"), model, read)
	}
	return watchInLines(stopped, c, model, read)
}

// watchInLines prints a block, or an object, for each interval, as long as
// somebody reads them.
func watchInLines(stopped context.Context, c *cli.Context, model *watched, read func() (*loader.Stats, error)) error {
	tick := time.NewTicker(c.Duration("interval"))
	defer tick.Stop()
	for !unread(c.App.Writer) {
		select {
		case <-stopped.Done():
			return nil
		case <-tick.C:
		}
		s, err := read()
		if err != nil {
			return err
		}
		model.sample(s, time.Now())
		if c.Bool("json") {
			if err := printJSON(c.App.Writer, watchedJSON(model)); err != nil {
				return err
			}
			continue
		}
		columns := watchedColumns{bytes: true, where: true}
		text := model.title() + "\n" + model.totals() + "\n" + columns.head() + "\n"
		for _, r := range model.sorted() {
			text += columns.row(r) + "\n"
		}
		if _, err := fmt.Fprintln(c.App.Writer, text); err != nil {
			return err
		}
	}
	return nil
}

// A watchedStats is what `stats --watch --json` prints for each interval.
type watchedStats struct {
	Time string `json:"time"` // RFC 3339
	interfaceStats
	Rates []watchedRate `json:"rates"` // in the order of the rules, then the default
}

type watchedRate struct {
	Rule    string  `json:"rule"` // text, with the name in front
	Packets float64 `json:"packets_per_second"`
	Bytes   float64 `json:"bytes_per_second"`
}

func watchedJSON(m *watched) watchedStats {
	out := watchedStats{Time: m.at.Format(time.RFC3339), interfaceStats: statsJSON(m.stats), Rates: []watchedRate{}}
	for _, r := range m.rows {
		out.Rates = append(out.Rates, watchedRate{r.text, r.packetRate, r.byteRate})
	}
	return out
}

// watchOnScreen shows the model on the terminal. A rule set that is unloaded
// meanwhile is told, and waited for.
func watchOnScreen(stopped context.Context, interval time.Duration, model *watched, read func() (*loader.Stats, error)) error {
	screen, err := tcell.NewScreen()
	if err != nil {
		return err
	}
	if err := screen.Init(); err != nil {
		return err
	}
	defer screen.Fini() // the terminal is as it was
	events, quit := make(chan tcell.Event), make(chan struct{})
	defer close(quit)
	go screen.ChannelEvents(events, quit)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		draw(screen, model)
		select {
		case <-stopped.Done():
			return nil
		case <-tick.C:
			if s, err := read(); err != nil {
				model.fail(err)
			} else {
				model.sample(s, time.Now())
			}
		case event := <-events:
			if !handle(screen, model, event) {
				return nil
			}
		}
	}
}

// handle an event; false ends it.
func handle(screen tcell.Screen, model *watched, event tcell.Event) bool {
	_, height := screen.Size()
	switch e := event.(type) {
	case *tcell.EventResize:
		screen.Sync()
	case *tcell.EventKey:
		page := max(1, height-watchFrame)
		switch e.Key() {
		case tcell.KeyCtrlC, tcell.KeyEscape:
			return false
		case tcell.KeyUp:
			model.scroll(-1, height)
		case tcell.KeyDown:
			model.scroll(1, height)
		case tcell.KeyPgUp:
			model.scroll(-page, height)
		case tcell.KeyPgDn:
			model.scroll(page, height)
		case tcell.KeyHome:
			model.scroll(-len(model.rows), height)
		case tcell.KeyEnd:
			model.scroll(len(model.rows), height)
		case tcell.KeyRune:
			switch e.Rune() {
			case 'q':
				return false
			case 's':
				model.order = (model.order + 1) % watchOrders
			case 'k':
				model.scroll(-1, height)
			case 'j', ' ':
				model.scroll(1, height)
			}
		}
	}
	return true
}

var lineStyles = map[lineKind]tcell.Style{
	plainLine:   tcell.StyleDefault,
	headLine:    tcell.StyleDefault.Bold(true),
	growingLine: tcell.StyleDefault.Foreground(tcell.ColorGreen),
	failedLine:  tcell.StyleDefault.Foreground(tcell.ColorRed).Bold(true),
}

func draw(screen tcell.Screen, model *watched) {
	width, height := screen.Size()
	screen.Clear()
	for y, line := range model.lines(width, height) {
		x := 0
		for _, r := range line.text {
			screen.SetContent(x, y, r, nil, lineStyles[line.kind])
			x++
		}
	}
	screen.Show()
}
