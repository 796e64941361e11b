package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// ProjectFiles are the rule files in testdata, those in archives and on the pages
// of docs included.
func ProjectFiles(t testing.TB) (files []*File) {
	t.Helper()
	add := func(name, text string) { files = append(files, NewFile(name, []byte(text))) }
	for _, pattern := range []string{"../testdata/*/*", "../docs/*.md", "../README.md", "../cmd/xdpfw/*.fw"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				continue // a folder
			}
			switch filepath.Ext(path) {
			case ".fw":
				add(path, string(data))
			case ".txtar":
				for _, file := range txtar.Parse(data).Files {
					if strings.HasSuffix(file.Name, ".fw") || file.Name == "input" || file.Name == "want" {
						add(path+"/"+file.Name, string(file.Data))
					}
				}
			case ".md":
				for i, block := range strings.Split(string(data), "\n```") {
					if kind, text, _ := strings.Cut(block, "\n"); i%2 == 1 && (kind == "" || strings.HasPrefix(kind, "fw")) {
						add(path, text+"\n")
					}
				}
			}
		}
	}
	return files
}
