// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
)

func TestLiteral(t *testing.T) {
	for _, tt := range []struct {
		path    string
		want    ast.Pattern
		problem ast.PatternProblem
	}{
		{path: "/", want: "/"},
		{path: "/var/lib/vm.img", want: "/var/lib/vm.img"},
		{path: "/dir/", want: "/dir/"},
		{path: "/a b\n\"c'\x01\xff", want: "/a b\n\"c'\x01\xff"},
		{path: "/*?[]{}^,\\", want: `/\*\?\[\]\{\}\^\,\\`},
		{path: "/@{HOME}/x", want: `/@\{HOME\}/x`},
		{path: "/a/../b", want: "/a/../b"},
		{path: "/" + strings.Repeat("a", ast.MaxPath-1), want: ast.Pattern("/" + strings.Repeat("a", ast.MaxPath-1))},
		{path: "", problem: ast.PatternEmpty},
		{path: "a", problem: ast.PatternRelative},
		{path: "@{V}/a", problem: ast.PatternRelative},
		{path: "/a\x00b", problem: ast.PatternNUL},
		{path: "//a", problem: ast.PatternSlashes},
		{path: "/a//b", problem: ast.PatternSlashes},
		{path: "/" + strings.Repeat("a", ast.MaxPath), problem: ast.PatternTooLong},
	} {
		got, err := ast.Literal(tt.path)
		if tt.problem != 0 {
			wantProblem(t, tt.path, err, tt.problem)
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("Literal(%q) = %q, %v, want %q", tt.path, got, err, tt.want)
		}
	}
}

func wantProblem(t *testing.T, text string, err error, want ast.PatternProblem) {
	t.Helper()
	var pe *ast.PatternError
	if !errors.As(err, &pe) {
		t.Errorf("%.40q: error %v, want %q", text, err, want)
	} else if pe.Problem != want {
		t.Errorf("%.40q: problem %q, want %q", text, pe.Problem, want)
	} else if pe.Offset < 0 || pe.Offset > len(pe.Text) {
		t.Errorf("%.40q: offset %d is outside", text, pe.Offset)
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct {
		name    string
		problem ast.PatternProblem // none: the Pattern is the name
	}{
		{name: "libvirt-7d3e"}, {name: "/usr/bin/x y\n\"z\""}, {name: "a//b"}, {name: "a*{b,c}[d]"}, {name: `a\b`}, {name: "a,b@x"},
		{name: "", problem: ast.PatternEmpty},
		{name: ":ns:a", problem: ast.PatternPrefix},
		{name: "&a", problem: ast.PatternPrefix},
		{name: " a", problem: ast.PatternBlank},
		{name: "a\xa0", problem: ast.PatternBlank},
		{name: "a\x00", problem: ast.PatternNUL},
		{name: `a\`, problem: ast.PatternBackslash},
		{name: `a\n`, problem: ast.PatternEscape},
		{name: "a[b", problem: ast.PatternClass},
		{name: "a{b", problem: ast.PatternBrace},
		{name: "a{b}", problem: ast.PatternSingle},
		{name: "a@{V}", problem: ast.PatternVariable},
	} {
		got, err := ast.Name(tt.name)
		if tt.problem != 0 {
			wantProblem(t, tt.name, err, tt.problem)
		} else if err != nil || string(got) != tt.name {
			t.Errorf("Name(%q) = %q, %v", tt.name, got, err)
		}
	}
}

func TestGlob(t *testing.T) {
	deep := strings.Repeat("{a,", ast.MaxNesting) + "b" + strings.Repeat("}", ast.MaxNesting)
	for _, tt := range []struct {
		text    string
		want    ast.Pattern
		problem ast.PatternProblem
	}{
		{text: "/a/**", want: "/a/**"},
		{text: `/\x41\102\d67`, want: "/ABC"},
		{text: `/\x2a\052\d42`, want: `/\*\*\*`},
		{text: `/\n\t\"`, want: "/\n\t\""},
		{text: `/\000`, want: `/\000`},
		{text: `/\400`, want: `/\400`},
		{text: "/{a,{b,}}", want: "/{a,{b,}}"},
		{text: "/@{VAR}{,x}", want: "/@{VAR}{,x}"},
		{text: `/@\{a b\}`, want: `/@\{a b\}`},
		{text: `/[a-c][^x][z-a][b\]]`, want: `/[a-c][^x][z-a][b\]]`},
		{text: "/{a,b[}]c}", want: "/{a,b[}]c}"},
		{text: "/" + deep, want: ast.Pattern("/" + deep)},
		{text: "", problem: ast.PatternEmpty},
		{text: "/a\x00", problem: ast.PatternNUL},
		{text: "/a\\\x00", problem: ast.PatternNUL},
		{text: `/a\`, problem: ast.PatternBackslash},
		{text: "/{a}", problem: ast.PatternSingle},
		{text: "/{}", problem: ast.PatternSingle},
		{text: `/{a\,b}`, problem: ast.PatternSingle},
		{text: "/{a,b", problem: ast.PatternBrace},
		{text: "/a}", problem: ast.PatternBrace},
		{text: "/a]", problem: ast.PatternClass},
		{text: "/[]", problem: ast.PatternClass},
		{text: "/[^]", problem: ast.PatternClass},
		{text: "/[a", problem: ast.PatternClass},
		{text: "/[a-]", problem: ast.PatternClass},
		{text: "/[-a]", want: "/[-a]"},
		{text: "/[^-a-c]", want: "/[^-a-c]"},
		{text: "/[-]", want: "/[-]"},
		{text: "/[--a]", problem: ast.PatternClass},
		{text: "/[a*]", problem: ast.PatternClass},
		{text: "/@{}", problem: ast.PatternVariable},
		{text: "/@{a,b}", problem: ast.PatternVariable},
		{text: "/@{A", problem: ast.PatternVariable},
		{text: "/{a," + deep + "}", problem: ast.PatternNesting},
	} {
		got, err := ast.Glob(tt.text)
		if tt.problem != 0 {
			wantProblem(t, tt.text, err, tt.problem)
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("Glob(%q) = %q, %v, want %q", tt.text, got, err, tt.want)
		}
		if again := ast.Decode(string(got)); again != got {
			t.Errorf("decoding %q again gives %q", got, again)
		}
	}
}

func TestCheckText(t *testing.T) {
	for _, tt := range []struct {
		p       ast.Pattern
		problem ast.PatternProblem
	}{
		{p: ""}, {p: `\*\\\q\ \000`}, {p: "a\"\n{"},
		{`a\`, ast.PatternBackslash},
		{`\n`, ast.PatternEscape},
		{`\"`, ast.PatternEscape},
		{`\x2a`, ast.PatternEscape},
		{`\101`, ast.PatternEscape},
		{"\x00", ast.PatternNUL},
	} {
		err := tt.p.CheckText()
		if tt.problem != 0 {
			wantProblem(t, string(tt.p), err, tt.problem)
		} else if err != nil {
			t.Errorf("%q: %v", tt.p, err)
		}
	}
}

func TestPatternQuestions(t *testing.T) {
	for _, tt := range []struct {
		p                 ast.Pattern
		literal, variable bool
		text              string
	}{
		{p: ""},
		{p: "/a", literal: true, text: "/a"},
		{p: `/\*\,\q\\`, literal: true, text: `/*,q\`},
		{p: `@\000x\x0y\d000`, literal: true, text: "@\x00x\x00y\x00"},
		{p: "/a,b^c@d", literal: true, text: "/a,b^c@d"},
		{p: "/*"}, {p: "/?"}, {p: "/[a]"}, {p: "/{a,b}"},
		{p: "/@{V}", variable: true},
		{p: `/\@{V,W}`},
	} {
		if got := tt.p.IsLiteral(); got != tt.literal {
			t.Errorf("%q: literal %v", tt.p, got)
		}
		if got := tt.p.HasVariable(); got != tt.variable {
			t.Errorf("%q: variable %v", tt.p, got)
		}
		if text, ok := tt.p.Unescape(); ok != tt.literal || text != tt.text {
			t.Errorf("%q: unescaped %q, %v, want %q", tt.p, text, ok, tt.text)
		}
	}
	if _, ok := ast.Pattern(`a\`).Unescape(); ok {
		t.Error("a lone backslash was unescaped")
	}
}

func BenchmarkLiteral(b *testing.B) {
	for name, path := range map[string]string{"plain": "/var/lib/libvirt/images/vm.qcow2", "escaped": "/var/lib/[vm]/a,b.img"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ast.Literal(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
