package codegen_test

import (
	"testing"

	"xdpfw/codegen"
	"xdpfw/rules"
)

// TestDigestOfFiles: the digest is of all that the rules consist of, wherever
// the files are.
func TestDigestOfFiles(t *testing.T) {
	digest := func(folder, main, common, spam string) string {
		t.Helper()
		files := map[string]string{folder + "common.fw": common, folder + "spam.txt": spam}
		read := func(path string, _ int) ([]byte, error) { return []byte(files[path]), nil }
		rs, ds := rules.ParseAndCheckWith(read, rules.NewFile(folder+"main.fw", []byte(main)))
		if rs == nil {
			t.Fatal(ds)
		}
		object, err := codegen.Compile(rs, codegen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return object.Digest
	}
	const main = "include \"common.fw\"\nset spam = file \"spam.txt\"\ndrop from @spam\n"
	first := digest("", main, "drop udp\n", "192.0.2.0/24\n")
	if got := digest("etc/", main, "drop udp\n", "192.0.2.0/24\n"); got != first {
		t.Error("the digest depends on the folder")
	}
	for name, other := range map[string]string{
		"main file":     digest("", main+"\n", "drop udp\n", "192.0.2.0/24\n"),
		"included file": digest("", main, "drop tcp\n", "192.0.2.0/24\n"),
		"set file":      digest("", main, "drop udp\n", "192.0.2.0/25\n"),
		"border":        digest("", main, "drop udp\n#", "192.0.2.0/24\n"),
	} {
		if other == first {
			t.Errorf("another %s, the same digest", name)
		}
	}
}
