// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
)

// anyBytes generates texts with many bytes that mean something.
func anyBytes() gopter.Gen {
	return gen.SliceOf(gen.OneGenOf(
		gen.UInt8(),
		gen.OneConstOf(byte('\\'), byte('/'), byte('*'), byte('{'), byte('}'), byte('['), byte(']'), byte('@'),
			byte(','), byte('"'), byte('\n'), byte(' '), byte('x'), byte('0'), byte('n'), byte('^'), byte('?')),
	)).Map(func(b []byte) string { return string(b) })
}

func TestPatternProperties(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 2000
	properties := gopter.NewProperties(parameters)

	properties.Property("Exact is undone by Unescape and passes every check", prop.ForAll(func(text string) bool {
		p, err := ast.Exact(text)
		if err != nil {
			return text == "" || strings.Contains(text, "\x00")
		}
		back, ok := p.Unescape()
		return ok && back == text && p.IsLiteral() && p.Check() == nil && ast.Decode(string(p)) == p
	}, anyBytes()))

	properties.Property("Literal gives what Exact gives, without empty names", prop.ForAll(func(text string) bool {
		p, err := ast.Literal("/" + text)
		q, errQ := ast.Exact("/" + text)
		if strings.Contains("/"+text, "//") {
			return err != nil
		}
		return p == q && (err == nil) == (errQ == nil)
	}, anyBytes()))

	properties.Property("Decode is done once", prop.ForAll(func(text string) bool {
		p := ast.Decode(text)
		return ast.Decode(string(p)) == p
	}, anyBytes()))

	properties.Property("CheckText accepts what Decode gives", prop.ForAll(func(text string) bool {
		p := ast.Pattern(text)
		want := ast.Decode(text) == p && !strings.Contains(text, "\x00") && !endsInBackslash(text)
		return (p.CheckText() == nil) == want
	}, anyBytes()))

	properties.Property("Glob does not panic and accepts only what passes Check", prop.ForAll(func(text string) bool {
		p, err := ast.Glob(text)
		return err != nil && p == "" || err == nil && p.Check() == nil
	}, anyBytes()))

	properties.TestingRun(t)
}

func endsInBackslash(s string) bool {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return n%2 == 1
}
