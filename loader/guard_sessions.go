package loader

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A session is an SSH connection to this machine.
type session struct{ client, server netip.AddrPort }

// procFolder is where proc(5) is.
const procFolder = "/proc"

// findSessions looks for the SSH sessions that could be cut, and says where it
// found them: in the environment; else in an ancestor's, since sudo strips it;
// else among the connections of sshd. These are asked about as well if there is
// no such connection as the environment says, which may be of a session that has
// ended (in tmux or screen). unread is what looks like one and is none, and what
// sessions may be in that this process may not look into.
func findSessions(getenv func(string) string, proc string) (sessions []session, origin string, unread []string) {
	if value := getenv("SSH_CONNECTION"); value != "" {
		if s, ok := parseSSHConnection(value); ok {
			return orLive(proc, s, "SSH_CONNECTION")
		}
		unread = append(unread, fmt.Sprintf("SSH_CONNECTION, which is %q instead of CLIENT PORT SERVER PORT", value))
	}
	s, pid, ok, bad := ancestorSession(proc)
	var closed []string
	if ok {
		sessions, origin, closed = orLive(proc, s, fmt.Sprintf("SSH_CONNECTION of process %d", pid))
	} else {
		origin = "the connections of sshd"
		sessions, closed = sshdConnections(proc)
	}
	return sessions, origin, slices.Concat(unread, bad, closed)
}

// orLive adds the connections of sshd to a session that is none of this network
// namespace.
func orLive(proc string, s session, origin string) (sessions []session, from string, unread []string) {
	if live := connections(proc, func(c session, _ string) bool { return c == s }); len(live) > 0 {
		return []session{s}, origin, nil
	}
	others, unread := sshdConnections(proc)
	if len(others) > 0 {
		origin += ", or a connection of sshd"
	}
	return append([]session{s}, others...), origin, unread
}

// parseSSHConnection reads "client port server port" (ssh(1)).
func parseSSHConnection(value string) (session, bool) {
	fields := strings.Fields(value)
	if len(fields) != 4 {
		return session{}, false
	}
	client, ok := addrPort(fields[0], fields[1])
	server, ok2 := addrPort(fields[2], fields[3])
	return session{client, server}, ok && ok2 && client.Addr().Is4() == server.Addr().Is4()
}

func addrPort(address, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(address)
	n, err2 := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n)), err == nil && err2 == nil
}

// mostAncestors bounds the walk up, should the table of processes change
// under it.
const mostAncestors = 64

// ancestorSession walks up the parents until one has the variable. unread is as
// in findSessions.
func ancestorSession(proc string) (_ session, pid int, ok bool, unread []string) {
	pid = parentOf(proc, "self")
	for range mostAncestors {
		if pid <= 0 {
			break
		}
		environ, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "environ"))
		if err == nil {
			for _, variable := range bytes.Split(environ, []byte{0}) {
				if value, found := strings.CutPrefix(string(variable), "SSH_CONNECTION="); found && value != "" {
					if s, ok := parseSSHConnection(value); ok {
						return s, pid, true, unread
					}
					unread = []string{fmt.Sprintf("SSH_CONNECTION of process %d, which is %q instead of CLIENT PORT SERVER PORT", pid, value)}
				}
			}
		}
		pid = parentOf(proc, strconv.Itoa(pid))
	}
	return session{}, 0, false, unread
}

// parentOf reads the parent from /proc/PID/stat: the second field behind the
// name, which is in parentheses and may hold anything.
func parentOf(proc, pid string) int {
	stat, err := os.ReadFile(filepath.Join(proc, pid, "stat"))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}

const sshPort = 22

// sshdConnections is the established TCP connections of this network namespace
// that come in on port 22, or that sshd has open. unread is as in findSessions.
func sshdConnections(proc string) (_ []session, unread []string) {
	inodes, unread := sshdSockets(proc)
	return connections(proc, func(s session, inode string) bool { return s.server.Port() == sshPort || inodes[inode] }), unread
}

// connections is the established TCP connections of this network namespace that
// are wanted, but not what was made from here: from a port that the kernel chose,
// and on which nobody listens.
func connections(proc string, wanted func(s session, inode string) bool) (found []session) {
	listens := make(map[uint16]bool)
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join(proc, "thread-self/net", table))
		if err != nil {
			continue // no IPv6
		}
		for lines := bufio.NewScanner(file); lines.Scan(); { // of a million connections, maybe
			s, state, inode, ok := parseConnection(lines.Text())
			switch {
			case !ok:
			case state == listening:
				listens[s.server.Port()] = true
			case state == established && wanted(s, inode):
				found = append(found, s)
			}
		}
		file.Close()
	}
	const chosen = 32768 // and above, by default (net.ipv4.ip_local_port_range)
	return slices.DeleteFunc(found, func(s session) bool { return s.server.Port() >= chosen && !listens[s.server.Port()] })
}

// States of TCP (include/net/tcp_states.h).
const (
	established = "01"
	listening   = "0A"
)

// parseConnection reads a line of /proc/net/tcp (net/ipv4/tcp_ipv4.c,
// get_tcp4_sock): slot, local, remote, state, queues, timers, retransmits,
// owner, timeout, inode.
func parseConnection(line string) (s session, state, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return session{}, "", "", false
	}
	local, ok := parseSocketAddress(fields[1])
	remote, ok2 := parseSocketAddress(fields[2])
	return session{client: remote, server: local}, fields[3], fields[9], ok && ok2
}

// parseSocketAddress reads "0100007F:0016": the address as 32-bit words in
// host byte order, the port as a number.
func parseSocketAddress(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}

// sshdSockets is the inodes of the sockets that processes named sshd… have
// open, as far as they may be seen. unread is as in findSessions.
func sshdSockets(proc string) (inodes map[string]bool, unread []string) {
	const lost = " (that asks for CAP_SYS_PTRACE): sessions on other ports than 22 may be unknown to it"
	inodes = make(map[string]bool)
	if _, err := os.Stat(filepath.Join(proc, "1/comm")); err != nil { // hidepid of proc(5)
		unread = append(unread, "which processes of other users there are"+lost)
	}
	names, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(comm), "sshd") {
			continue
		}
		folder := filepath.Dir(name)
		files, err := os.ReadDir(filepath.Join(folder, "fd"))
		for _, file := range files {
			target, failed := os.Readlink(filepath.Join(folder, "fd", file.Name()))
			if inode, found := strings.CutPrefix(target, "socket:["); found {
				inodes[strings.TrimSuffix(inode, "]")] = true
			}
			err = errors.Join(err, failed)
		}
		if errors.Is(err, os.ErrPermission) && unread == nil {
			unread = append(unread, fmt.Sprintf("which sockets sshd (process %s) has open%s", filepath.Base(folder), lost))
		}
	}
	return inodes, unread
}
