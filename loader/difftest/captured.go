package difftest

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// Frames of real traffic over a veth pair, one a line behind what tcpdump says
// of it.
//
//go:embed testdata/captured.hex
var capturedText string

// capturedFrames are the frames of the capture.
var capturedFrames = sync.OnceValue(func() (frames [][]byte) {
	for line := range strings.Lines(capturedText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		frame, err := hex.DecodeString(line)
		if err != nil {
			panic(fmt.Sprintf("difftest: testdata/captured.hex: %v", err))
		}
		frames = append(frames, frame)
	}
	return frames
})
