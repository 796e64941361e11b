package difftest

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Every difference that was ever found stays fixed.
func TestKeptDifferences(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "differences", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d kept differences: %v", len(paths), err)
	}
	requireBPF(t)
	for _, path := range paths {
		text, frame := readKept(t, path)
		rs := read(text)
		if rs == nil {
			t.Errorf("%s: the language does not accept the rules any more", path)
		} else if d := firstDifference(rs, [][]byte{frame}); d != nil {
			t.Errorf("%s: %v", path, d)
		}
	}
}

func readKept(t *testing.T, path string) (text string, frame []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(data).Files {
		switch f.Name {
		case "rules.fw":
			text = string(f.Data)
		case "frame.hex":
			if frame, err = hex.DecodeString(strings.TrimSpace(string(f.Data))); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	return text, frame
}
