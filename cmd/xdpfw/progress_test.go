package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTell: nothing is said of what is soon done, and nothing is left behind.
func TestTell(t *testing.T) {
	var quick strings.Builder
	tell(&quick, func() string { return "compiling" }, time.Hour)()
	if quick.Len() > 0 {
		t.Errorf("%q", quick.String())
	}
	var long strings.Builder
	done := tell(&long, func() string { return "compiling" }, time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	done()
	if got := long.String(); !regexp.MustCompile("^(\rcompiling … 0 s)+\r\x1b\\[K$").MatchString(got) {
		t.Errorf("%q", got)
	}
}
