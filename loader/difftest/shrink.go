package difftest

import "strings"

// shrinkBudget is how many smaller repros are tried.
const shrinkBudget = 600

// Shrink makes a rule text and a frame smaller as long as they differ still:
// it drops lines and clauses' words, cuts the frame's end, and zeroes bytes.
// differ must be false for a text that is no rule file.
func Shrink(text string, frame []byte, differ func(text string, frame []byte) bool) (string, []byte) {
	budget := shrinkBudget
	try := func(text string, frame []byte) bool {
		budget--
		return budget >= 0 && differ(text, frame)
	}
	for progress := true; progress && budget > 0; {
		progress = false
		shrunk := shrinkParts(text, "\n", func(t string) bool { return try(t, frame) })
		shrunk = shrinkParts(shrunk, " ", func(t string) bool { return try(t, frame) })
		if shrunk != text {
			text, progress = shrunk, true
		}
		if shorter := shrinkFrame(frame, func(f []byte) bool { return try(text, f) }); len(shorter) < len(frame) {
			frame, progress = shorter, true
		}
	}
	return text, zeroed(frame, func(f []byte) bool { return try(text, f) })
}

// shrinkParts drops parts of a text, many at once first.
func shrinkParts(text, separator string, differ func(string) bool) string {
	parts := strings.Split(text, separator)
	for size := len(parts) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(parts); {
			fewer := append(append([]string{}, parts[:i]...), parts[i+size:]...)
			if differ(strings.Join(fewer, separator)) {
				parts = fewer
			} else {
				i += size
			}
		}
	}
	return strings.Join(parts, separator)
}

func shrinkFrame(frame []byte, differ func([]byte) bool) []byte {
	for size := len(frame) / 2; size > 0; size /= 2 {
		for size <= len(frame) && differ(frame[:len(frame)-size]) {
			frame = frame[:len(frame)-size]
		}
	}
	return frame
}

func zeroed(frame []byte, differ func([]byte) bool) []byte {
	for i := range frame {
		if frame[i] == 0 {
			continue
		}
		other := append([]byte{}, frame...)
		other[i] = 0
		if differ(other) {
			frame = other
		}
	}
	return frame
}
