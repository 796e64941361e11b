package rules_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xdpfw/rules"
)

// shownElsewhere are the codes that no must-fail file shows, and the tests that do.
var shownElsewhere = map[string]string{
	"too-many-warnings":    "TestManyWarnings",
	"reachability-unknown": "TestReachWarnings",
}

// TestEveryCode: each code that the package can report is in the .want file of
// a must-fail file.
func TestEveryCode(t *testing.T) {
	shown := map[string]bool{}
	code := regexp.MustCompile(`(?m): (?:error|warning): .* \[([a-z-0-9]+)\]$`)
	for _, path := range errorFiles(t) {
		want, err := os.ReadFile(strings.TrimSuffix(path, ".fw") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllSubmatch(want, -1) {
			shown[string(m[1])] = true
		}
	}
	codes := readSource(t).codes()
	if len(codes) < 60 {
		t.Errorf("%d codes found in the source, want at least 60: %v", len(codes), codes)
	}
	for _, code := range codes {
		switch by := shownElsewhere[code]; {
		case !shown[code] && by == "":
			t.Errorf("no must-fail file shows %s", code)
		case shown[code] && by != "":
			t.Errorf("%s is shown by a must-fail file, not only by %s", code, by)
		}
	}
	for code := range shown {
		if !slices.Contains(codes, code) {
			t.Errorf("%s is in a .want file, but not found in the source", code)
		}
	}
}

// TestWarningCodes: a comment can name each warning.
func TestWarningCodes(t *testing.T) {
	known := slices.Sorted(slices.Values(rules.WarningCodes))
	used := readSource(t).passed("warning", 0)
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(known, used) {
		t.Errorf("comments can name\n%v, there are\n%v", known, used)
	}
}

var isCode = regexp.MustCompile(`^[a-z]+[a-z0-9-]*$`)

// A source is the functions of the package, and what is passed to them.
type source struct {
	t     *testing.T
	funcs []*ast.FuncDecl
	calls map[string][][]ast.Expr // arguments, by the name of the function
}

func readSource(t *testing.T) *source {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, calls: map[string][][]ast.Expr{}}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is {
				s.funcs = append(s.funcs, f)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, is := n.(*ast.CallExpr); is {
				switch f := call.Fun.(type) {
				case *ast.SelectorExpr:
					s.calls[f.Sel.Name] = append(s.calls[f.Sel.Name], call.Args)
				case *ast.Ident:
					s.calls[f.Name] = append(s.calls[f.Name], call.Args)
				}
			}
			return true
		})
	}
	return s
}

// codes are the texts that become the code of a diagnostic: what is passed as a
// parameter with the name code, or returned as a result of that name, or is the
// first part of a fault.
func (s *source) codes() (codes []string) {
	for _, f := range s.funcs {
		if i := indexOf(f.Type.Params, "code"); i >= 0 {
			codes = append(codes, s.passed(f.Name.Name, i)...)
		}
		result := indexOf(f.Type.Results, "code")
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr: // prefix + parameter
				codes = append(codes, s.composed(f, n)...)
			case *ast.ReturnStmt:
				if result >= 0 && result < len(n.Results) {
					codes = append(codes, literal(n.Results[result])...)
				}
			case *ast.CompositeLit:
				if name, is := n.Type.(*ast.Ident); is && name.Name == "fault" && len(n.Elts) > 0 {
					codes = append(codes, literal(n.Elts[0])...)
				}
			}
			return true
		})
	}
	slices.Sort(codes)
	codes = slices.DeleteFunc(codes, func(code string) bool { return !isCode.MatchString(code) }) // of other functions called `add`
	return slices.Compact(codes)
}

// passed are the literals that calls of a function pass as its n-th argument.
func (s *source) passed(name string, n int) (texts []string) {
	for _, args := range s.calls[name] {
		if n < len(args) {
			texts = append(texts, literal(args[n])...)
		}
	}
	return texts
}

// composed are the codes of a call of `error` with "bad-"+what, where what is a
// parameter of the function around.
func (s *source) composed(around *ast.FuncDecl, call *ast.CallExpr) (codes []string) {
	f, is := call.Fun.(*ast.SelectorExpr)
	if !is || f.Sel.Name != "error" || len(call.Args) == 0 {
		return nil
	}
	sum, is := call.Args[0].(*ast.BinaryExpr)
	if !is {
		return nil
	}
	prefix, name := literal(sum.X), sum.Y.(*ast.Ident).Name
	if len(prefix) != 1 {
		s.t.Fatalf("a code that is put together in %s", around.Name.Name)
	}
	for _, rest := range s.passed(around.Name.Name, indexOf(around.Type.Params, name)) {
		codes = append(codes, prefix[0]+rest)
	}
	return codes
}

// indexOf is the place of a name among parameters or results, or -1.
func indexOf(list *ast.FieldList, name string) int {
	if list == nil {
		return -1
	}
	n := 0
	for _, field := range list.List {
		for _, id := range field.Names {
			if id.Name == name {
				return n
			}
			n++
		}
	}
	return -1
}

func literal(e ast.Expr) []string {
	if lit, is := e.(*ast.BasicLit); is && lit.Kind == token.STRING {
		text, err := strconv.Unquote(lit.Value)
		if err == nil {
			return []string{text}
		}
	}
	return nil
}
