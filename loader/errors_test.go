package loader

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestClosedBPFFS: what a user gets who may not look into the bpffs, and has no
// BPF to be told of missing capabilities by. Other files are another matter.
func TestClosedBPFFS(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bpffs")
	t.Setenv("XDPFW_BPFFS", root)
	e := asError(refusal("read the counters of lo", &os.PathError{Op: "statfs", Path: root, Err: unix.EACCES}))
	if want := "read the counters of lo: not permitted: " + root + " is not open to this user"; e.Error() != want {
		t.Errorf("got %q, want %q", e, want)
	}
	if want := "run it as root (sudo), or name a folder in a bpffs that is open to you in XDPFW_BPFFS"; e.Help != want {
		t.Errorf("help %q, want %q", e.Help, want)
	}
	e = asError(refusal("x", &os.PathError{Op: "open", Path: "/etc/shadow", Err: unix.EACCES}))
	if e.Error() != "x: open /etc/shadow: permission denied" || e.Help != "" {
		t.Errorf("got %q, help %q", e, e.Help)
	}
}

func asError(err error) *Error { return err.(*Error) }
