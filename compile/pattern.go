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

// badPattern reports a pattern of the rule at hand that is none.
func (pc *profileCompiler) badPattern(p ast.Pattern, err error) {
	d := pc.patternDiagnostic(p, err)
	pos := d.Pos
	pc.fail(d)
	if pos.IsValid() {
		d.Pos = pos
	}
}

// patternDiagnostic describes a pattern that is none, at its place if the text
// of the rule has it as it is.
func (pc *profileCompiler) patternDiagnostic(p ast.Pattern, err error) *diag.Diagnostic {
	d := &diag.Diagnostic{
		Code: CodeBadPattern, Message: "invalid pattern: " + err.Error(), Text: string(p), Err: err,
		Profile: pc.profile.Name, Pos: pc.patternPlace(p), Via: pc.origin().Chain(),
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

// patternPlace is where a pattern stands, or the rule or profile at hand if it
// cannot be found there: its variables were expanded, or its escapes decoded.
func (pc *profileCompiler) patternPlace(p ast.Pattern) ast.Position {
	o := pc.origin()
	if o.File == nil || !o.Pos.IsValid() || p == "" {
		return o.Position()
	}
	text := o.File.Src[min(o.Pos.Offset(), len(o.File.Src)):]
	if pc.rule != nil {
		text = o.File.Text(pc.rule.Rule)
	} else if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	i := strings.Index(text, string(p))
	if i < 0 {
		return o.Position()
	}
	return o.File.Position(o.Pos + ast.Pos(i))
}

// warnDroppedPatterns warns of what is no pattern in a rule that is without
// effect: kernels that have the feature refuse it, as the reference does there.
func (pc *profileCompiler) warnDroppedPatterns(r ast.Rule) {
	for _, p := range droppablePatterns(r) {
		_, _, err := automaton.Glob(string(p), automaton.GlobOptions{})
		if err == nil {
			continue
		}
		d := pc.patternDiagnostic(p, err)
		d.Severity, d.Class = diag.Warning, diag.ClassUnexpected
		pc.warnings = append(pc.warnings, d)
	}
}

// droppablePatterns are the patterns of rules of the classes that a kernel may
// not mediate.
func droppablePatterns(r ast.Rule) []ast.Pattern {
	switch r := r.(type) {
	case *ast.NetworkRule:
		return []ast.Pattern{r.Local.Interface, r.Local.Label, r.Peer.Label}
	case *ast.UnixRule:
		return []ast.Pattern{r.Local.Addr, r.Peer.Addr, r.Peer.Label}
	case *ast.DBusRule:
		return []ast.Pattern{r.Bus, r.Name, r.Path, r.Interface, r.Member, r.PeerName, r.PeerLabel}
	case *ast.SignalRule:
		return []ast.Pattern{r.Peer}
	case *ast.PtraceRule:
		return []ast.Pattern{r.Peer}
	case *ast.MountRule:
		list := []ast.Pattern{r.Source, r.Target}
		for i := range r.Conds {
			if !r.Conds[i].Options {
				list = append(list, r.Conds[i].Values...)
			}
		}
		return list
	case *ast.PivotRootRule:
		return []ast.Pattern{r.OldRoot, r.NewRoot}
	case *ast.MqueueRule:
		return []ast.Pattern{r.Label, r.Name}
	case *ast.IOUringRule:
		return []ast.Pattern{r.Label}
	}
	return nil
}
