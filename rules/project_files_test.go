package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// ProjectFiles are the rule files of the project, those in archives of testdata
// and on the pages of docs included, good or bad.
func ProjectFiles(t testing.TB) (files []*File) {
	t.Helper()
	for _, root := range []string{"../testdata", "../docs", "../README.md", "../cmd/xdpfw"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files = append(files, rulesIn(path, data)...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// rulesIn are the rule files that a file is or holds.
func rulesIn(path string, data []byte) (files []*File) {
	switch filepath.Ext(path) {
	case ".fw":
		return []*File{NewFile(path, data)}
	case ".txtar":
		for _, file := range txtar.Parse(data).Files {
			if strings.HasSuffix(file.Name, ".fw") || file.Name == "input" || file.Name == "want" {
				files = append(files, NewFile(path+"/"+file.Name, file.Data))
			}
		}
	case ".md":
		for i, block := range strings.Split(string(data), "\n```") {
			if kind, text, _ := strings.Cut(block, "\n"); i%2 == 1 && (kind == "" || strings.HasPrefix(kind, "fw")) {
				files = append(files, NewFile(path, []byte(text+"\n")))
			}
		}
	}
	return files
}
