package loader

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// number is the same value in both families.
func number(n uint64) rules.ValueSet {
	r := []rules.Range{{Lo: rules.Value{Lo: n}, Hi: rules.Value{Lo: n}}}
	return rules.ValueSet{IP4: r, IP6: r}
}

// ruleSet is lines of a file, each with what it means; it needs no parser.
type ruleLine struct {
	text    string
	verdict rules.Verdict
	clauses []rules.Clause
}

var (
	dropSSH   = ruleLine{"drop tcp to port 22", rules.Drop, []rules.Clause{{Subject: rules.Protocol, Set: number(6)}, {Subject: rules.DestinationPort, Set: number(22)}}}
	passSSH   = ruleLine{"pass tcp to port 22", rules.Pass, dropSSH.clauses}
	passTCP   = ruleLine{"pass tcp", rules.Pass, []rules.Clause{{Subject: rules.Protocol, Set: number(6)}}}
	dropUDP   = ruleLine{"drop udp", rules.Drop, []rules.Clause{{Subject: rules.Protocol, Set: number(17)}}}
	dropARP   = ruleLine{"drop arp", rules.Drop, []rules.Clause{{Subject: rules.ARP}}}
	passARP   = ruleLine{"pass arp", rules.Pass, dropARP.clauses}
	dropICMP6 = ruleLine{"drop icmp6", rules.Drop, []rules.Clause{{Subject: rules.Protocol, Set: rules.ValueSet{IP6: number(58).IP6}}}}
)

func ruleSet(byDefault rules.Verdict, lines ...ruleLine) *rules.RuleSet {
	text := "default " + byDefault.String() + "\n"
	for _, l := range lines {
		text += l.text + "\n"
	}
	file := rules.NewFile("guard.fw", []byte(text))
	at := len("default " + byDefault.String())
	rs := &rules.RuleSet{File: file, Default: byDefault, DefaultSpan: rules.Span{File: file, Start: 0, End: at}}
	for _, l := range lines {
		rs.Add(rules.Rule{
			Verdict: l.verdict, Clauses: l.clauses, Span: rules.Span{File: file, Start: at + 1, End: at + 1 + len(l.text)}, Key: l.text,
		})
		at += 1 + len(l.text)
	}
	return rs
}

// addAddress configures an interface. Addresses with a lifetime are what DHCP
// and routers leave.
func addAddress(t *testing.T, iface, prefix string, lifetime int) {
	t.Helper()
	l, err := netlink.LinkByName(iface)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	a.Flags = unix.IFA_F_NODAD
	a.ValidLft, a.PreferedLft = lifetime, lifetime
	if err := netlink.AddrAdd(l, a); err != nil {
		t.Fatalf("add %s to %s: %v", prefix, iface, err)
	}
}

// withoutLinkLocal keeps the kernel from configuring anything by itself.
func withoutLinkLocal(t *testing.T) {
	t.Helper()
	for _, name := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/addr_gen_mode", []byte("1"), 0)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func objectOf(t *testing.T, rs *rules.RuleSet) *codegen.Object {
	t.Helper()
	obj, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// loadGuarded loads rules on in0.
func loadGuarded(t *testing.T, rs *rules.RuleSet) ([]Attachment, error) {
	t.Helper()
	return Load(objectOf(t, rs), LoadOptions{Interfaces: []string{"in0"}, Rules: rs})
}

func TestGuard(t *testing.T) {
	const (
		ssh  = "203.0.113.9 50022 198.51.100.1 22"
		ssh6 = "2001:db8:1::9 50022 fd00::1 22"
		none = ""
	)
	for name, c := range map[string]struct {
		session string
		rules   *rules.RuleSet
		why     []string // nil: passes
		help    string
	}{
		"session dropped by a rule": {ssh, ruleSet(rules.Pass, dropUDP, dropSSH), []string{
			"load on in0: the lockout guard refuses: `drop tcp to port 22` (guard.fw:3) would drop the next TCP segment (ACK), " +
				"the next TCP data (PSH, ACK), the next TCP connection (SYN) of the SSH session 203.0.113.9:50022 > 198.51.100.1:22 (found in SSH_CONNECTION)",
		}, "put `pass tcp from 203.0.113.9 to port 22` in front of the other rules; see xdpfw explain guard.fw 'tcp 203.0.113.9:50022 > 198.51.100.1:22'; --confirm 30s loads"},
		"session dropped by the default": {ssh, ruleSet(rules.Drop, passARP), []string{"refuses: `default drop` (guard.fw:1) would drop the next TCP segment (ACK)"}, "--force"},
		"session passed first":           {ssh, ruleSet(rules.Pass, passSSH, dropSSH), nil, ""},
		"session over IPv6":              {ssh6, ruleSet(rules.Pass, dropSSH), []string{"[2001:db8:1::9]:50022 > [fd00::1]:22"}, "pass tcp from 2001:db8:1::9"},
		"no session, nothing lost":       {none, ruleSet(rules.Pass, dropSSH), nil, ""},
		"ARP": {none, ruleSet(rules.Pass, dropARP), []string{
			"`drop arp` (guard.fw:2) would drop the ARP request for 198.51.100.1, the ARP reply to 198.51.100.1"}, "put `pass arp`"},
		"neighbour discovery": {none, ruleSet(rules.Pass, dropICMP6), []string{
			"`drop icmp6` (guard.fw:2) would drop the neighbour solicitation for fd00::1, the neighbour advertisement to fd00::1"}, "put `pass icmp6`"},
		"default drop, all lost":   {none, ruleSet(rules.Drop, passTCP), []string{"ARP request", "ARP reply", "neighbour solicitation", "neighbour advertisement"}, "put `pass arp`, `pass icmp6` in front"},
		"DHCP of a static address": {none, ruleSet(rules.Pass, dropUDP), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ownMachine(t)
			withoutLinkLocal(t)
			vethPair(t, "in0", "out0")
			addAddress(t, "in0", "198.51.100.1/24", 0)
			addAddress(t, "in0", "fd00::1/64", 0)
			t.Setenv("SSH_CONNECTION", c.session)
			opts := LoadOptions{Interfaces: []string{"in0"}, Rules: c.rules}
			obj := objectOf(t, c.rules)
			done, err := Load(obj, opts)
			if c.why == nil {
				if err != nil {
					t.Fatal(err)
				}
				if warned := len(done[0].Warnings) == 1 && strings.Contains(done[0].Warnings[0], "no SSH session was found"); warned != (c.session == none) {
					t.Errorf("warnings %q", done[0].Warnings)
				}
				return
			}
			for _, why := range c.why {
				mustRefuse(t, err, why, c.help)
			}
			if d, _, _ := whatIsOn(t, "in0"); d.attached {
				t.Errorf("attached all the same: %+v", d)
			}
			opts.Force = true
			mustLoad(t, obj, opts)
		})
	}
}

func TestGuardAsksForDynamicAddresses(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	addAddress(t, "in0", "198.51.100.1/24", 3600)
	addAddress(t, "in0", "fd00::1/64", 3600)
	t.Setenv("SSH_CONNECTION", "198.51.100.2 50022 198.51.100.1 22")
	_, err := loadGuarded(t, ruleSet(rules.Pass, dropUDP))
	mustRefuse(t, err, "`drop udp` (guard.fw:2) would drop the DHCP answer to 198.51.100.1, which keeps the dynamic address 198.51.100.1, "+
		"the DHCP answer to 255.255.255.255", "pass udp from port 67 to port 68")
	_, err = loadGuarded(t, ruleSet(rules.Pass, dropICMP6))
	mustRefuse(t, err, "the router advertisement, which keeps the dynamic address fd00::1", "pass icmp6")
}

// The session concerns the interface with its address, the one towards the
// client, and every one if its address is nowhere.
func TestWhereASessionArrives(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	in0 := vethPair(t, "in0", "out0")
	other := vethPair(t, "other0", "out1")
	elsewhere := vethPair(t, "addr0", "out2") // holds an address that lies on no wire
	addAddress(t, "addr0", "192.0.2.1/32", 0)
	addAddress(t, "in0", "198.51.100.1/24", 0)
	for _, c := range []struct {
		client, server string
		on             []int
	}{
		{"198.51.100.7", "198.51.100.1", []int{in0}},
		{"198.51.100.7", "192.0.2.1", []int{in0, elsewhere}},
		{"198.51.100.7", "10.9.9.9", []int{in0, other, elsewhere}},
	} {
		s := session{client: netip.AddrPortFrom(netip.MustParseAddr(c.client), 5), server: netip.AddrPortFrom(netip.MustParseAddr(c.server), 22)}
		around, err := lookAround([]session{s})
		if err != nil {
			t.Fatal(err)
		}
		for _, device := range []int{in0, other, elsewhere} {
			if _, got := around.arrives(s, device); got != slices.Contains(c.on, device) {
				t.Errorf("%s > %s on %s: %v", c.client, c.server, around.links[device].Attrs().Name, got)
			}
		}
	}
}

// The frames of a VLAN pass through the interface below it, those of a bridge
// through its ports; the other end of a veth pair is no interface below.
func TestWhatAnInterfaceCarries(t *testing.T) {
	const in0, vlan0, port0, br0, brVLAN, veth0 = 1, 2, 3, 4, 5, 6
	around := surroundingsOf([]netlink.Link{
		&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: in0}},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Index: vlan0, ParentIndex: in0}},
		&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: port0, MasterIndex: br0}},
		&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Index: br0}},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Index: brVLAN, ParentIndex: br0}},
		&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: veth0, ParentIndex: in0}},
	})
	carried := map[[2]int]bool{{in0, vlan0}: true, {port0, br0}: true, {br0, brVLAN}: true, {port0, brVLAN}: true}
	for device := range around.links {
		for upper := range around.links {
			want := device == upper || carried[[2]int{device, upper}]
			if _, got := around.carries(device, upper); got != want {
				t.Errorf("%d carries %d: %v, want %v", device, upper, got, want)
			}
		}
	}
}

func noEnvironment(string) string { return "" }

// fakeProc is a /proc of text files and links.
func fakeProc(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err := os.WriteFile(path, []byte(text), 0o644)
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			os.Remove(path)
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFindSessions(t *testing.T) {
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	connection := func(local, remote, state, inode string) string {
		return "   0: " + local + " " + remote + " " + state + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0 100\n"
	}
	// 198.51.100.1:22 < 203.0.113.9:50022, as a little-endian machine prints it.
	proc := fakeProc(t, map[string]string{
		"self/stat":     "90 (xdp (fw) x) S 80 1 1",
		"80/stat":       "80 (sudo) S 70 1 1",
		"70/stat":       "70 (bash) S 1 1 1",
		"70/environ":    "HOME=/\x00SSH_CONNECTION=203.0.113.9 50022 ::ffff:198.51.100.1 22\x00",
		"1/stat":        "1 (init) S 0 1 1",
		"1/comm":        "init\n",
		"500/comm":      "sshd-session\n",
		"500/fd/3":      "-> socket:[777]",
		"600/comm":      "nginx\n",
		"600/fd/3":      "-> socket:[888]",
		"thread-self/x": "",
	})
	sessions, origin, _ := findSessions(noEnvironment, proc)
	if len(sessions) != 1 || origin != "SSH_CONNECTION of process 70" || sessions[0].server.String() != "198.51.100.1:22" {
		t.Errorf("an ancestor's: %v in %s", sessions, origin)
	}
	if err := os.Remove(filepath.Join(proc, "70/environ")); err != nil {
		t.Fatal(err)
	}
	if sessions, _, unread := findSessions(noEnvironment, proc); len(sessions) != 0 || len(unread) != 0 {
		t.Errorf("none: %v, %q", sessions, unread)
	}
	for name, text := range map[string]string{
		"tcp": header +
			connection("016433C6:0016", "097100CB:C366", "01", "1") + // port 22
			connection("00000000:0016", "00000000:0000", "0A", "2") + // listening
			connection("016433C6:08AE", "097100CB:C367", "01", "777") + // port 2222, sshd's
			connection("016433C6:9C40", "097100CB:0185", "01", "777") + // port 40000, by which sshd asks an LDAP server
			connection("016433C6:0050", "097100CB:C368", "01", "888"), // nginx's
		"tcp6": header +
			connection("000000FD000000000000000001000000:0016", "B80D0120000000000000000009000000:C366", "01", "3"),
	} {
		if err := os.MkdirAll(filepath.Join(proc, "thread-self/net"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, "thread-self/net", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sessions, origin, _ = findSessions(noEnvironment, proc)
	var got []string
	for _, s := range sessions {
		got = append(got, s.client.String()+">"+s.server.String())
	}
	want := "203.0.113.9:50022>198.51.100.1:22 203.0.113.9:50023>198.51.100.1:2222 [2001:db8::9]:50022>[fd00::1]:22"
	if origin != "the connections of sshd" || strings.Join(got, " ") != want {
		t.Errorf("%v in %s, want %s", got, origin, want)
	}
	environment := func(value string) func(string) string { return func(string) string { return value } }
	if sessions, origin, _ := findSessions(environment("203.0.113.9 50022 ::ffff:198.51.100.1 22"), proc); len(sessions) != 1 || origin != "SSH_CONNECTION" {
		t.Errorf("the environment's: %v in %s", sessions, origin)
	}
	// It is of a connection that has ended.
	if sessions, origin, _ := findSessions(environment("fe80::1%eth0 5 fe80::2 22"), proc); len(sessions) != 4 ||
		origin != "SSH_CONNECTION, or a connection of sshd" || sessions[0].client.String() != "[fe80::1]:5" || sessions[2].server.Port() != 2222 {
		t.Errorf("the environment's: %v in %s", sessions, origin)
	}
	if err := os.RemoveAll(filepath.Join(proc, "1")); err != nil {
		t.Fatal(err)
	}
	_, _, unread := findSessions(environment("x"), proc)
	if len(unread) != 2 || !strings.Contains(unread[0], `which is "x"`) || !strings.Contains(unread[1], "processes of other users") {
		t.Errorf("where processes are hidden: unread %q", unread)
	}
	for _, bad := range []string{"x 5 fe80::2 22", "fe80::1 5 fe80::2 70000", "fe80::1 5 1.2.3.4 22", "fe80::1"} {
		if s, ok := parseSSHConnection(bad); ok {
			t.Errorf("%q was read as %v", bad, s)
		}
	}
}

// A session over a VLAN's interface arrives tagged on the one below. (Links are
// made up: not every kernel that tests run on has VLANs.)
func TestGuardOfVLANs(t *testing.T) {
	const in0, outer, inner = 1, 2, 3
	address := func(prefix string, link int) netlink.Addr {
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			t.Fatal(err)
		}
		a.LinkIndex, a.Flags = link, unix.IFA_F_PERMANENT
		return *a
	}
	around := surroundingsOf([]netlink.Link{
		&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: in0}},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Index: outer, ParentIndex: in0}, VlanId: 10, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q},
		&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Index: inner, ParentIndex: outer}, VlanId: 20},
	})
	around.addresses = []netlink.Addr{address("198.51.100.1/24", outer), address("203.0.113.1/24", inner), address("192.0.2.1/24", in0)}
	for _, c := range []struct {
		text, server, why, help string // refused, or not
	}{
		{"default pass\ndrop vlan 10 tcp\n", "198.51.100.1", "`drop vlan 10 tcp` (rules.fw:2) would drop the next TCP segment (ACK), the next TCP data",
			"'vlan 10 tcp 203.0.113.9:50022 > 198.51.100.1:22'"},
		{"default pass\ndrop vlan 10 arp\n", "198.51.100.1", "`drop vlan 10 arp` (rules.fw:2) would drop the ARP request for 198.51.100.1", "'vlan 10 arp who-has 198.51.100.1 tell 198.51.100.2'"},
		{"default pass\ndrop vlan2.id 20 tcp\n", "203.0.113.1", "`drop vlan2.id 20 tcp` (rules.fw:2) would drop the next TCP segment (ACK)", "'vlan 10 vlan 20 tcp 203.0.113.9:50022 > 203.0.113.1:22'"},
		{"default pass\ndrop vlan2.id 20 tcp\n", "198.51.100.1", "", ""},
		{"default pass\ndrop not vlan tcp\ndrop vlan 20\n", "198.51.100.1", "", ""},
		{"default drop\npass vlan 10\npass arp\n", "203.0.113.1", "", ""},
	} {
		_, rs := compiled(t, c.text)
		s := session{netip.MustParseAddrPort("203.0.113.9:50022"), netip.AddrPortFrom(netip.MustParseAddr(c.server), 22)}
		around.towards = map[netip.Addr]hop{s.client.Addr(): {device: outer}}
		by, arrives := around.arrives(s, in0)
		if !arrives {
			t.Fatalf("the session with %s does not arrive", c.server)
		}
		refused, err := guard(&judge{rules: rs}, device{name: "in0"}, "", questions([]arrival{by}, "a test", around.on(in0)))
		switch {
		case err != nil:
			t.Fatal(err)
		case (refused != nil) != (c.why != ""):
			t.Errorf("%q, session with %s: %v", c.text, c.server, refused)
		case refused != nil:
			mustRefuse(t, refused, c.why, c.help)
		}
	}
}

// On trial, what the guard has to say is a warning, for each interface. That it
// cannot ask is none.
func TestGuardOfATrial(t *testing.T) {
	ownMachine(t)
	withoutLinkLocal(t)
	vethPair(t, "in0", "out0")
	vethPair(t, "in1", "out1")
	addAddress(t, "in0", "198.51.100.1/24", 0)
	addAddress(t, "in1", "203.0.113.1/24", 0)
	t.Setenv("SSH_CONNECTION", "somewhere 50022 198.51.100.1 22")
	obj, rs := compiled(t, "default pass\ndrop arp\n")
	opts := LoadOptions{Interfaces: []string{"in0", "in1"}, Rules: rs, Confirm: time.Hour, DryRun: true}
	done := mustLoad(t, obj, opts)
	for _, a := range done {
		if text := strings.Join(a.Warnings, "\n"); !strings.Contains(text, "`drop arp` (rules.fw:2) would drop the ARP request") {
			t.Errorf("%s: %s", a.Interface, text)
		}
	}
	if text := strings.Join(done[0].Warnings, "\n"); !strings.Contains(text, `cannot read SSH_CONNECTION, which is "somewhere 50022 198.51.100.1 22"`) {
		t.Errorf("%s", text)
	}
	opts.Rules, opts.Confirm = nil, 0 // an object: its program is asked
	_, err := Load(obj, opts)
	mustRefuse(t, err, "`drop arp` (rules.fw:2) would drop the ARP request", "put `pass arp` in front of the other rules; --confirm 30s")
}
