package parser

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
)

func (p *parser) rlimitRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if q != (ast.Qualifiers{}) || from != p.pos() {
		return nil, p.fail(&p.tok, CodeQualifier, "an rlimit rule takes no qualifiers")
	}
	p.next()
	if !p.isWord("rlimit") {
		if hint := nearestHint(ast.VocabularyOf("rlimit"), p.tok.Text); hint != "" {
			return nil, p.failHint(&p.tok, hint, CodeSyntax, "unexpected word, expected rlimit")
		}
		return nil, p.unexpected("rlimit")
	}
	p.next()
	n := &ast.RlimitRule{Name: p.tok.Text}
	name := p.tok
	if !p.expect(lex.Value, "a resource") {
		return nil, false
	}
	if !ast.Rlimits().Has(n.Name) {
		return nil, p.failHint(&name, nearestHint(ast.Rlimits(), n.Name), CodeRlimit, "unknown resource %q", n.Name)
	}
	if !p.expect(lex.LessEqual, "<=") {
		return nil, false
	}
	value := p.tok
	switch value.Kind {
	case lex.Number:
	case lex.Value:
		if value.Text != "infinity" {
			return nil, p.failHint(&value, nearestHint(ast.VocabularyOf("infinity"), value.Text), CodeRlimit, "this is neither a number nor infinity")
		}
	default:
		return nil, p.unexpected("a number or infinity")
	}
	n.Value = value.Text
	p.next()
	unit := p.tok
	if unit.Kind == lex.Value {
		n.Unit = unit.Text
		p.next()
	} else {
		unit = value
	}
	if problem := checkRlimit(n); problem != "" {
		return nil, p.fail(&unit, CodeRlimit, "%s: %s", n.Name, problem)
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// The range of nice.
const (
	minNice = -20
	maxNice = 19
)

// checkRlimit says what is wrong with the value or unit of a limit.
func checkRlimit(n *ast.RlimitRule) string {
	if n.Value == "infinity" {
		return ""
	}
	switch n.Name {
	case "nice":
		v, err := strconv.Atoi(n.Value)
		switch {
		case n.Unit != "":
			return "it has no unit"
		case err != nil || v < minNice || v > maxNice:
			return "it is not within -20 and 19"
		}
		return ""
	}
	if n.Value[0] == '-' {
		return "it cannot be negative"
	}
	switch n.Name {
	case "cpu", "rttime":
		perUnit, ok := microseconds(n.Unit)
		if !ok {
			return "unknown unit of time " + strconv.Quote(n.Unit) + ", there are us, ms, s, min, h, d, week and their long names"
		}
		v, err := strconv.ParseUint(n.Value, 0, 64)
		if err == nil && n.Name == "cpu" && perUnit != 0 && perUnit < 1e6 && v < 1e6/perUnit {
			return "it is less than a second"
		}
	case "fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue":
		switch n.Unit {
		case "", "K", "KB", "M", "MB", "G", "GB":
		default:
			return "unknown unit of size " + strconv.Quote(n.Unit) + ", there are K, KB, M, MB, G and GB"
		}
	default:
		if n.Unit != "" {
			return "it has no unit"
		}
	}
	return ""
}

// microseconds returns the length of a unit of time, 0 for none.
func microseconds(unit string) (uint64, bool) {
	switch unit {
	case "":
		return 0, true
	case "us", "microsecond", "microseconds":
		return 1, true
	case "ms", "millisecond", "milliseconds":
		return 1e3, true
	case "s", "sec", "second", "seconds":
		return 1e6, true
	case "min", "minute", "minutes":
		return 60e6, true
	case "h", "hour", "hours":
		return 3600e6, true
	case "d", "day", "days":
		return 86400e6, true
	case "week", "weeks":
		return 7 * 86400e6, true
	}
	return 0, false
}
