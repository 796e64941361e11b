package codegen_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

func encoded(t testing.TB, o *codegen.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func listed(t testing.TB, o *codegen.Object) string {
	t.Helper()
	var b bytes.Buffer
	if err := o.Listing(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// objectTexts are rules over what Objects can hold: lists, counting functions,
// interfaces, tables, fragments, IPv6.
var objectTexts = []string{
	"default pass\n",
	"default pass\ndrop udp\ndrop tcp to port 80\n",
	"default drop\ncount udp\nchain c { return to port 1; drop udp }\njump c from 10.0.0.0/8\npass arp\nx: pass tcp\n",
	"drop on eth0 icmp\nredirect eth1 udp to port 53\ndrop on eth1\n",
	"set s = { 192.0.2.1, 198.51.100.0/24, 2001:db8::/32, 203.0.113.9 }\ndrop from @s\npass not from @s tcp to port { 22, 80, 443, 8000-8100 }\n",
	"drop invalid\ndrop frag\ndrop vlan 100 udp\nabort tcp flags syn,fin\ndrop ip6 tcp from port 1-1023 to 2001:db8::/32\ndrop len > 1000\n",
}

// everyObject is of these rules, and of one with many, in every strategy.
func everyObject(t testing.TB, f func(name string, o *codegen.Object)) {
	t.Helper()
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "drop tcp from 10.%d.%d.0/24 to port %d\n", i%7, i%256, 1000+i%40)
		fmt.Fprintf(&many, "pass from 2001:db8:%x::/48\n", i)
	}
	for i, text := range append(objectTexts, many.String()) {
		rs, diags := rules.ParseAndCheck(rules.NewFile(fmt.Sprintf("%d.fw", i), []byte(text)))
		if err := diags.Err(); err != nil {
			t.Fatal(err)
		}
		for _, strategy := range codegen.Strategies {
			for _, counters := range codegen.CounterModes {
				o, err := codegen.Compile(rs, codegen.Options{Strategy: strategy, Counters: counters})
				if err != nil {
					t.Fatal(err)
				}
				f(fmt.Sprintf("%d %s %s", i, strategy, counters), o)
			}
		}
	}
}

// What is read is what was written, to the byte: listing, programs, tables.
func TestObjectFile(t *testing.T) {
	n, functions := 0, 0
	everyObject(t, func(name string, o *codegen.Object) {
		file := encoded(t, o)
		if !bytes.Equal(file, encoded(t, o)) {
			t.Errorf("%s: not the same bytes twice", name)
		}
		read, err := codegen.DecodeObject(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := listed(t, read), listed(t, o); got != want {
			t.Errorf("%s: the listing is another:\n%s\n%s", name, got, want)
		}
		if !bytes.Equal(encoded(t, read), file) {
			t.Errorf("%s: written again, the file is another", name)
		}
		for i, m := range read.Maps {
			want := o.Maps[i].Spec
			if m.Lifetime != o.Maps[i].Lifetime || m.Spec.Name != want.Name || m.Spec.Type != want.Type || m.Spec.KeySize != want.KeySize ||
				m.Spec.ValueSize != want.ValueSize || m.Spec.MaxEntries != want.MaxEntries || len(m.Spec.Contents) != len(want.Contents) {
				t.Errorf("%s: map %v, want %v", name, m.Spec, want)
			}
			for j, kv := range m.Spec.Contents {
				if !bytes.Equal(kv.Value.([]byte), want.Contents[j].Value.([]byte)) {
					t.Errorf("%s: other contents of %s", name, m.Spec.Name)
				}
			}
		}
		if len(read.Counters) != len(o.Counters) {
			t.Errorf("%s: %d counters, want %d", name, len(read.Counters), len(o.Counters))
		}
		for i := range read.Counters {
			if read.Counters[i] != o.Counters[i] {
				t.Errorf("%s: counter %+v, want %+v", name, read.Counters[i], o.Counters[i])
			}
		}
		n++
		if strings.Contains(listed(t, o), "call count") {
			functions++
		}
	})
	if functions == 0 {
		t.Error("no object has a function")
	}
	t.Logf("%d objects, %d of them with a function", n, functions)
}

// Files that are none, are cut off, damaged or of another version are told so.
func TestObjectFileRefused(t *testing.T) {
	rs, _ := rules.ParseAndCheck(rules.NewFile("a.fw", []byte("default pass\ndrop udp\n")))
	o, err := codegen.Compile(rs, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := encoded(t, o)
	later := bytes.Clone(file)
	binary.BigEndian.PutUint32(later[8:], 7)
	flipped := bytes.Clone(file)
	flipped[len(flipped)/2] ^= 0x10
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"rules":         {[]byte("default pass\n"), "no object file"},
		"empty":         {nil, "no object file"},
		"cut off":       {file[:len(file)-9], "damaged"},
		"head only":     {file[:12], "damaged"},
		"a bit flipped": {flipped, "damaged"},
		"later version": {later, "version 7, written by another xdpfw; this one reads version 1"},
	} {
		if _, err := codegen.DecodeObject(c.file); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// Whatever stands in the file, it is refused, or what it gives can be printed
// and written again.
func FuzzDecodeObject(f *testing.F) {
	n := 0
	everyObject(f, func(_ string, o *codegen.Object) {
		if n++; n%7 > 1 {
			return
		}
		z, err := gzip.NewReader(bytes.NewReader(encoded(f, o)[12:]))
		if err != nil {
			f.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 8<<10 { // larger ones are minimised for minutes
			f.Add(text)
		}
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		var file bytes.Buffer
		file.WriteString("xdpfw\x00ob\x00\x00\x00\x01")
		z, _ := gzip.NewWriterLevel(&file, gzip.NoCompression)
		z.Write(text)
		z.Close()
		o, err := codegen.DecodeObject(file.Bytes())
		if err != nil {
			return
		}
		_ = o.Listing(io.Discard, true) // an error is fine, a panic is not
		_ = o.Encode(io.Discard)
		_ = o.CollectionSpec()
	})
}
