package difftest

import "testing"

// Real traffic, each frame cut at every length, by random rules.
func TestEnginesAgreeOnCutCaptures(t *testing.T) {
	requireBPF(t)
	t.Parallel()
	const ruleFiles = 6
	frames := capturedFrames()
	if len(frames) < 50 {
		t.Fatalf("%d captured frames", len(frames))
	}
	var cut [][]byte
	for _, frame := range frames {
		for n := range len(frame) + 1 {
			cut = append(cut, frame[:n])
		}
	}
	g := NewGenerator(seed(t), 100)
	decided := 0
	for range ruleFiles {
		file := g.RuleFile()
		if d := firstDifference(file.Set, cut); d != nil {
			t.Error(report(file.Text, d))
		}
		for _, frame := range cut {
			if reference(file.Set, frame).Rule >= 0 {
				decided++
			}
		}
	}
	t.Logf("%d frames of %d captured ones, %d rule files; rules decided %d pairs", len(cut), len(frames), ruleFiles, decided)
	if decided < ruleFiles*len(cut)/10 {
		t.Errorf("rules decided %d of %d pairs only", decided, ruleFiles*len(cut))
	}
}
