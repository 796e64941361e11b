package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"xdpfw/loader/workload"
)

var screenshots = flag.Bool("screenshots", false, "have TestPage take the pictures of docs/images; look at them before committing them")

// browser is a headless Chromium, and what it has to complain about.
type browser struct {
	context.Context
	sync.Mutex
	complaints []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1400, 900), chromedp.ExecPath("chromium"))
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 20*time.Second)
	t.Cleanup(cancel)
	b := &browser{Context: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.Lock()
		defer b.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.complaints = append(b.complaints, fmt.Sprint(e.Type, e.Args))
		}
	})
	return b
}

// open a page, and how long that takes until it is drawn.
func (b *browser) open(t *testing.T, path string) time.Duration {
	t.Helper()
	start := time.Now()
	b.run(t, chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	if n := evaluate[int](t, b, `document.body.getBoundingClientRect() && document.querySelectorAll("tr.ins").length`); n == 0 {
		t.Fatal("the page has no instructions")
	}
	return time.Since(start)
}

func (b *browser) run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.Context, actions...); err != nil {
		t.Fatal(err)
	}
}

// evaluate an expression in the page.
func evaluate[T any](t *testing.T, b *browser, expression string) (result T) {
	t.Helper()
	b.run(t, chromedp.Evaluate(expression, &result))
	return result
}

func (b *browser) quiet(t *testing.T) {
	t.Helper()
	b.Lock()
	defer b.Unlock()
	if len(b.complaints) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(b.complaints, "\n"))
	}
}

// pageOf a rule file with some options, in a file.
func pageOf(t *testing.T, name string, text []byte, options ...string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	var out, messages bytes.Buffer
	if status := run(append([]string{"dump", "--format", "html", name}, options...), &out, &messages); status != 0 {
		t.Fatalf("status %d: %s", status, messages.String())
	}
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const pageRules = `default pass
drop invalid
pass from 10.0.0.0/8
no-telnet: drop tcp to port { 23, 2323 } # </script> & "quoted"
drop udp to port 53
`

// TestPage looks at the page as a reader does, in a browser: a rule that is
// chosen lights up, with its instructions and the way of a packet; instructions
// light up their rule; search and keys work; nothing is fetched, and the
// browser has nothing to complain about.
func TestPage(t *testing.T) {
	images, err := filepath.Abs("../../docs/images")
	if err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []string{"tree", "table"} {
		t.Run(strategy, func(t *testing.T) {
			path := pageOf(t, "rules.fw", []byte(pageRules), "--strategy", strategy)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte("</script>")); n != 2 {
				t.Errorf("%d script elements end, want 2: data got out of its own", n)
			}
			if bytes.Contains(text, []byte("src=")) || bytes.Contains(text, []byte("@import")) || bytes.Contains(text, []byte("fetch(")) {
				t.Error("the page needs something else")
			}
			b := newBrowser(t)
			b.open(t, path)
			if got := evaluate[[]string](t, b, `items.map(i => i.li.querySelector("code").textContent)`); len(got) != 5 || got[2] != "drop tcp to port { 23, 2323 }" || got[4] != "default pass" {
				t.Errorf("the rules are %q", got)
			}
			b.run(t, chromedp.Evaluate(`document.querySelector("#rules li:nth-child(3)").click()`, nil))
			detail := evaluate[string](t, b, `document.getElementById("detail").textContent`)
			if !strings.Contains(detail, "for example  tcp ") || strategy == "table" && !strings.Contains(detail, "tables       n0=") {
				t.Errorf("of the rule it is said: %q", detail)
			}
			if *screenshots && strategy == "table" {
				takePictures(t, b, images)
			}
			lit := evaluate[map[string]int](t, b, `({on: document.querySelectorAll("tr.ins.on").length, way: document.querySelectorAll("tr.ins.way").length, blocks: document.querySelectorAll("#graph g.way, #graph g.on").length})`)
			if lit["way"] < 30 || lit["blocks"] < 3 || strategy == "tree" && lit["on"] < 2 {
				t.Errorf("lit are %v", lit)
			}
			if strategy == "tree" {
				b.run(t, chromedp.Evaluate(`rows[code.findIndex(i => i.origin === items[3].origin)].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))`, nil))
				if hover := evaluate[string](t, b, `document.querySelector("#rules li.hover code").textContent`); hover != "drop udp to port 53" {
					t.Errorf("an instruction lights up %q", hover)
				}
			}
			b.run(t, chromedp.KeyEvent("\x1b"), chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"))
			if first := evaluate[bool](t, b, `chosen === items[0]`); !first {
				t.Error("j, j and k do not choose the first rule")
			}
			b.run(t, chromedp.Evaluate(`document.dispatchEvent(new KeyboardEvent("keydown", {key: "/"}))`, nil), chromedp.KeyEvent("telnet"))
			if typed := evaluate[string](t, b, `document.getElementById("search").value`); typed != "telnet" {
				t.Errorf("in the search stands %q", typed)
			}
			b.run(t, chromedp.Evaluate(`document.getElementById("search").value = "10.0.0.0"`, nil), chromedp.Evaluate(`document.getElementById("search").dispatchEvent(new Event("input"))`, nil))
			if left := evaluate[int](t, b, `document.querySelectorAll("#rules li").length`); left != 1 {
				t.Errorf("%d rules are found", left)
			}
			b.quiet(t)
		})
	}
}

// TestPageOfManyRules: a page of 1,000 rules opens and answers at once. The
// bounds are those of a reader's patience; figures are logged.
func TestPageOfManyRules(t *testing.T) {
	text := workload.Shapes()[0].Text(1_000, 3)
	for _, strategy := range []string{"auto", "chain"} {
		t.Run(strategy, func(t *testing.T) {
			path := pageOf(t, "rules.fw", text, "--strategy", strategy)
			b := newBrowser(t)
			b.run(t, chromedp.Navigate("about:blank")) // the browser's own start is not the page's
			opened := b.open(t, path)
			click := evaluate[float64](t, b, `(() => { const t = performance.now(); choose(items[500]); document.body.getBoundingClientRect(); return performance.now() - t; })()`)
			search := evaluate[float64](t, b, `(() => { const s = document.getElementById("search"); s.value = "10."; const t = performance.now(); s.dispatchEvent(new Event("input")); document.body.getBoundingClientRect(); return performance.now() - t; })()`)
			t.Logf("opened in %v, a rule is lit in %.0f ms, a search takes %.0f ms", opened.Round(time.Millisecond), click, search)
			if opened > 10*time.Second || click > 2000 || search > 2000 {
				t.Error("that is not at once, by far")
			}
			b.quiet(t)
		})
	}
}

// takePictures of a page for docs/images, in both schemes of colours.
func takePictures(t *testing.T, b *browser, images string) {
	t.Helper()
	for name, scheme := range map[string]string{"page-light.png": "light", "page-dark.png": "dark"} {
		var picture []byte
		b.run(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}), chromedp.CaptureScreenshot(&picture))
		if err := os.WriteFile(filepath.Join(images, name), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
