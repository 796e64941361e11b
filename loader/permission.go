package loader

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// missingCapabilities names what loading and attaching needs and this thread
// has not: CAP_BPF and CAP_PERFMON, for either of which CAP_SYS_ADMIN stands
// in, and CAP_NET_ADMIN.
func missingCapabilities() []string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil
	}
	has := func(c uint) bool { return data[c/32].Effective>>(c%32)&1 == 1 }
	admin := has(unix.CAP_SYS_ADMIN)
	var missing []string
	if !has(unix.CAP_BPF) && !admin {
		missing = append(missing, "CAP_BPF")
	}
	if !has(unix.CAP_NET_ADMIN) {
		missing = append(missing, "CAP_NET_ADMIN")
	}
	if !has(unix.CAP_PERFMON) && !admin {
		missing = append(missing, "CAP_PERFMON")
	}
	return missing
}

// inUserNamespace says whether this process lives in a user namespace other
// than the initial one, which maps every number to itself.
func inUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	return strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}
