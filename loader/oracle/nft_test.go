package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestNft runs nft's rules at the ingress hook of one end of a veth pair, and
// sends the frames from the other. All of it is in a network namespace that
// dies with the test's thread.
func TestNft(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		needs(t, fmt.Errorf("nft is needed (Debian package nftables): %w", err))
	}
	needs(t, ownNamespace())
	needs(t, loadTable("table netdev "+tableName+" {}\n"))
	from := newSender(t)
	defer unix.Close(from.socket)

	// One goroutine, since another one would be in another namespace; what is
	// compared afterwards is not.
	cases := readCases(t, "nft")
	var sum totals
	for _, k := range cases {
		frames := corpus(k)
		theirs, decided, err := from.matchNft(k, frames)
		t.Run(k.name, func(t *testing.T) {
			if err != nil {
				t.Fatal(err)
			}
			mustSee(t, frames, theirs.seen)
			k.compare(t, frames, theirs, &sum)
			if k.ruleset == "" {
				k.compareDecided(t, frames, theirs, decided)
			}
			t.Run("kernel", func(t *testing.T) { k.compareKernel(t, frames) })
		})
	}
	reportReasons(t, "nft", cases, sum)
}

const (
	tableName = "oracle"
	hookedEnd = "oracle-in"  // has the ingress hook
	farEnd    = "oracle-out" // frames are sent from here
)

// ownNamespace moves the test's thread, which it never leaves, to a new
// network namespace with a pair of silent interfaces.
func ownNamespace() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is silent enough
		return err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: hookedEnd, MTU: 9000}, PeerName: farEnd, PeerMTU: 9000}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("add a veth pair: %w", err)
	}
	for _, name := range []string{hookedEnd, farEnd} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = errors.Join(netlink.LinkSetARPOff(l), netlink.LinkSetUp(l))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// loadTable has nft read a file.
func loadTable(text string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w\n%s\n%s", err, out, text)
	}
	return nil
}

// A sender sends frames as they are from the far end.
type sender struct{ socket int }

func newSender(t *testing.T) sender {
	t.Helper()
	l, err := netlink.LinkByName(farEnd)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
	return sender{fd}
}

// send a frame with a mark, which crosses a veth pair within one namespace.
func (s sender) send(frame []byte, mark int) error {
	if err := unix.SetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
		return err
	}
	_, err := unix.Write(s.socket, frame)
	return err
}

// shortestSent is the shortest frame that a packet socket sends.
const shortestSent = 14

// matchNft asks nft for each rule's condition, and for the rule that decides.
//
// Each frame carries its number as its mark. A first chain has every rule put
// the marks of the frames that its condition holds for into a set; a second
// one has the rules with their verdicts, counters, and sets likewise.
func (s sender) matchNft(k *kase, frames []*frame) (theirs *matching, decided *decisions, err error) {
	if err := loadTable(k.nftTable()); err != nil {
		return nil, nil, err
	}
	expected := 0
	for i, f := range frames {
		if len(f.bytes) < shortestSent {
			continue
		}
		if f.arrives() {
			expected++
		}
		if err := s.send(f.bytes, i+1); err != nil {
			return nil, nil, fmt.Errorf("send %x: %w", f.bytes, err)
		}
	}
	listed, err := listWhenArrived(expected)
	if err != nil {
		return nil, nil, err
	}
	theirs, decided = newMatching(k, len(frames)), &decisions{newMatching(k, len(frames)), listed.counters}
	for i := range frames {
		theirs.seen[i] = listed.sets["arrived"][i+1]
		for _, r := range k.set.Rules {
			theirs.by[r.Name][i] = listed.sets[identifier("if", r.Name)][i+1]
			decided.by[r.Name][i] = listed.sets[identifier("do", r.Name)][i+1]
		}
	}
	if k.ruleset != "" {
		theirs.by = decided.by
	}
	return theirs, decided, nil
}

// decisions are the frames that nft's chain came to each rule with, and its
// counters.
type decisions struct {
	*matching
	counters map[string]int
}

// identifier is a name for nft, of which no label makes a keyword.
func identifier(prefix, label string) string {
	return prefix + "_" + strings.ReplaceAll(label, "-", "_")
}

// nftTable is the file for nft; it replaces the table of the case before.
func (k *kase) nftTable() string {
	var sets, conditions strings.Builder
	set := func(name string) {
		fmt.Fprintf(&sets, "  set %s { type mark; size 65535; flags dynamic; }\n", name)
	}
	set("arrived")
	for _, r := range k.set.Rules {
		set(identifier("if", r.Name))
		set(identifier("do", r.Name))
		fmt.Fprintf(&sets, "  counter %s { }\n", identifier("n", r.Name))
	}
	for _, p := range k.theirs {
		fmt.Fprintf(&conditions, "    %s add @%s { meta mark }\n", p.text, identifier("if", p.label))
	}
	const hook = "type filter hook ingress device \"" + hookedEnd + "\" priority "
	return fmt.Sprintf("delete table netdev %[1]s\ntable netdev %[1]s {\n%[2]s"+
		"  chain conditions {\n    %[3]s 0; policy accept;\n    add @arrived { meta mark }\n%[4]s  }\n%[5]s}\n",
		tableName, sets.String(), hook, conditions.String(), k.nftChains(hook+"10; policy accept;"))
}

// nftChains are the rules with their verdicts: of a ruleset as it is written,
// else in the order of the rule file. To the first rule that decides nft ends
// the chain, whatever the verdict is.
func (k *kase) nftChains(hook string) string {
	var chains strings.Builder
	rule := func(label, condition, verdict string) {
		fmt.Fprintf(&chains, "    %s add @%s { meta mark } counter name %s %s\n",
			condition, identifier("do", label), identifier("n", label), verdict)
	}
	for line := range strings.Lines(k.ruleset) {
		labelled, verdict, isRule := strings.Cut(strings.TrimSpace(line), "=>")
		label, condition, _ := strings.Cut(labelled, ":")
		if isRule {
			rule(label, condition, verdict)
			continue
		}
		chains.WriteString(line)
		if strings.TrimSpace(line) == "chain verdicts {" {
			chains.WriteString(hook)
		}
	}
	if k.ruleset != "" {
		return chains.String()
	}
	fmt.Fprintf(&chains, "  chain verdicts {\n    %s\n", hook)
	for _, r := range k.set.Rules {
		verdict := ""
		if r.Verdict.Decides() {
			verdict = "accept"
		}
		for _, p := range k.theirs {
			if p.label == r.Name {
				rule(r.Name, p.text, verdict)
			}
		}
	}
	return chains.String() + "  }\n"
}

// A listing is what nft says of sets and counters.
type listing struct {
	sets     map[string]map[int]bool
	counters map[string]int
}

// listWhenArrived lists the table when that many frames have arrived, or no
// more do: a busy machine may handle them later than they are sent. It lists
// once more than that, so that the last one has passed all rules.
func listWhenArrived(frames int) (all listing, err error) {
	for range 50 {
		complete := len(all.sets["arrived"]) >= frames
		if all, err = listTable(); err != nil || complete {
			return all, err
		}
	}
	return all, nil
}

func listTable() (listing, error) {
	all := listing{map[string]map[int]bool{}, map[string]int{}}
	out, err := exec.Command("nft", "-j", "list", "table", "netdev", tableName).Output()
	if err != nil {
		return all, fmt.Errorf("nft list: %w", err)
	}
	var parsed struct {
		Objects []struct {
			Set *struct {
				Name     string
				Elements []int `json:"elem"`
			}
			Counter *struct {
				Name    string
				Packets int
			}
		} `json:"nftables"`
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		return all, fmt.Errorf("nft list: %w", err)
	}
	for _, o := range parsed.Objects {
		if o.Set != nil {
			marks := map[int]bool{}
			for _, mark := range o.Set.Elements {
				marks[mark] = true
			}
			all.sets[o.Set.Name] = marks
		}
		if o.Counter != nil {
			all.counters[o.Counter.Name] = o.Counter.Packets
		}
	}
	return all, nil
}

// arrives: not sent are frames shorter than an Ethernet header, and the stack
// drops, in front of the hook, frames whose tag is cut or has nothing behind
// its type (net/core/skbuff.c, skb_vlan_untag).
func (f *frame) arrives() bool {
	untagged := f.has("tag") && !f.has("qinq")
	return len(f.bytes) >= shortestSent && !(untagged && len(f.bytes) < 14+4+2)
}

// mustSee: what does not arrive is known beforehand.
func mustSee(t *testing.T, frames []*frame, seen []bool) {
	for i, f := range frames {
		if seen[i] != f.arrives() {
			t.Errorf("frame came to the hook: %v, expected %v, %v\n%x", seen[i], f.arrives(), f.traits, f.bytes)
		}
	}
}

// compareDecided: nft comes to the rule that its conditions say, and its
// counters say the same as its sets.
func (k *kase) compareDecided(t *testing.T, frames []*frame, theirs *matching, decided *decisions) {
	packets := map[string]int{}
	for i := range frames {
		if !theirs.seen[i] {
			continue
		}
		first := theirs.first(k, i)
		for _, r := range k.set.Rules {
			if decided.by[r.Name][i] {
				packets[r.Name]++
			}
			if r.Verdict.Decides() && decided.by[r.Name][i] != (r.Name == first) {
				t.Errorf("nft decided by %q: %v, first match %q, %v", r.Name, decided.by[r.Name][i], first, frames[i].traits)
			}
		}
	}
	for label, n := range packets {
		if counted := decided.counters[identifier("n", label)]; counted != n {
			t.Errorf("nft counted %d packets for %q, its set has %d", counted, label, n)
		}
	}
}
