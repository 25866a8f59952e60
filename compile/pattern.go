// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
)

// globWith translates a pattern. An error is recorded at the current rule.
func (e *emitter) globWith(p ast.Pattern, o automaton.GlobOptions) (node, automaton.GlobInfo) {
	o.Nodes = e.nodes
	if !e.hold(patternSize(p), 16+4*len(p)) {
		return node{}, automaton.GlobInfo{}
	}
	n, info, err := automaton.Glob(string(p), o)
	if err != nil {
		e.fail(e.patternDiagnostic(p, err))
	}
	return n, info
}

// patternSize is about how many bytes the expression of a pattern takes: what
// is special in it makes an expression of its own.
func patternSize(p ast.Pattern) int64 {
	special := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*', '?', '[', ']', '{', '}', ',', '\\':
			special++
		}
	}
	return 96 + int64(len(p)+104*special)
}

func (e *emitter) glob(p ast.Pattern) node {
	n, _ := e.globWith(p, automaton.GlobOptions{})
	return n
}

// globOr translates a pattern, or returns what its absence means.
func (e *emitter) globOr(p ast.Pattern, absent node) node {
	if p == "" {
		return absent
	}
	return e.glob(p)
}

// globExact also reports whether the pattern has no wildcards.
func (e *emitter) globExact(p ast.Pattern) (node, bool) {
	n, info := e.globWith(p, automaton.GlobOptions{})
	return n, info.Exact
}

// globNul translates a pattern of counted text, whose wildcards match NUL.
func (e *emitter) globNul(p ast.Pattern) node {
	n, _ := e.globWith(p, automaton.GlobOptions{NUL: true})
	return n
}

// patternDiagnostic describes a malformed pattern, at its place if the text of
// the rule has it unchanged.
func (e *emitter) patternDiagnostic(p ast.Pattern, err error) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code: diag.CodePattern, Message: "invalid pattern: " + err.Error(), Text: string(p), Err: err,
		Pos: e.patternPlace(p), Via: e.origin().Chain(),
	}
	var ge *automaton.GlobError
	if errors.As(err, &ge) {
		d.Message = fmt.Sprintf("invalid pattern, byte %d: %s", ge.Offset+1, ge.Reason)
		d.Hint = patternHint(ge)
	}
	return d
}

// patternHint says how to write what was probably meant.
func patternHint(e *automaton.GlobError) string {
	if e.Offset >= len(e.Pattern) {
		return ""
	}
	switch c := e.Pattern[e.Offset]; {
	case strings.Contains(e.Reason, "alternation of one"):
		return "an alternation has at least one comma, as in {a,}"
	case strings.Contains(e.Reason, "nested"):
		return ""
	case strings.HasPrefix(e.Reason, "- "):
		return `a minus is written \-`
	case strings.IndexByte("[]{}", c) >= 0:
		return `the byte itself is written \` + string(c)
	}
	return ""
}

// patternPlace is where a pattern is written, or the current rule or profile
// if it cannot be found there because its variables were expanded or its
// escapes decoded.
func (e *emitter) patternPlace(p ast.Pattern) ast.Position {
	o := e.origin()
	if o.File == nil || !o.Pos.IsValid() || p == "" {
		return o.Position()
	}
	text := o.File.Src[min(o.Pos.Offset(), len(o.File.Src)):]
	if e.rule != nil {
		text = o.File.Text(e.rule.Rule)
	} else if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	i := strings.Index(text, string(p))
	if i < 0 {
		return o.Position()
	}
	return o.File.Position(o.Pos + ast.Pos(i))
}

// warnUnused warns of a malformed pattern in a rule that has no effect: for
// kernels that have the feature it is an error, as in the reference.
func (e *emitter) warnUnused(patterns []ast.Pattern) {
	for _, p := range patterns {
		if _, _, err := automaton.Glob(string(p), automaton.GlobOptions{}); err != nil {
			d := e.patternDiagnostic(p, err)
			d.Class = diag.ClassUnexpected
			e.warn(d)
		}
	}
}
