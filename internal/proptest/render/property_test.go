// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// that are full of live glob bytes and kept escapes.
// words generates decoded words: literal ones made of any bytes, and raw ones
func words() gopter.Gen {
	bytes := gen.SliceOf(gen.OneGenOf(
		gen.UInt8Range(1, 255),
		gen.OneConstOf(byte('\\'), byte('*'), byte('{'), byte('}'), byte('['), byte(']'), byte('@'), byte(','),
			byte('"'), byte('\''), byte('\n'), byte('\t'), byte(' '), byte('x'), byte('0'), byte('n'), byte('!'), byte('#'),
			byte('('), byte(')'), byte('='), byte(':'), byte('-'), byte('>'), byte('&'), byte('<'), byte('$')),
	)).Map(func(b []byte) string { return string(b) })
	literal := bytes.Map(func(s string) ast.Pattern {
		p, _ := ast.Exact("w" + s)
		return p
	})
	raw := bytes.Map(func(s string) ast.Pattern {
		if p := ast.Decode("w" + s); p.CheckText() == nil {
			return p
		}
		return "w"
	})
	return gen.OneGenOf(literal, raw)
}

func TestWordsComeBack(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 500
	properties := gopter.NewProperties(parameters)
	properties.Property("every rule reads back as it was", prop.ForAll(func(w ast.Pattern) string {
		for _, r := range treetest.RulesWith(w, "/"+w) {
			text, err := render.Append(nil, r)
			if err != nil {
				return err.Error()
			}
			back, err := parser.ParseRule(string(text))
			if err != nil {
				return string(text) + ": " + err.Error()
			}
			if diff := treetest.Diff(r, back); diff != "" {
				return string(text) + ":\n" + diff
			}
		}
		return ""
	}, words()))
	properties.Property("every file reads back as it was", prop.ForAll(func(w ast.Pattern) string {
		for _, f := range treetest.FilesWith(w, "/"+w) {
			text, err := render.Append(nil, f)
			if err != nil {
				return err.Error()
			}
			back, err := parser.Parse("", string(text))
			if err != nil {
				return string(text) + ": " + err.Error()
			}
			if diff := treetest.Diff(f, back); diff != "" {
				return string(text) + ":\n" + diff
			}
		}
		return ""
	}, words()))
	properties.TestingRun(t)
}
