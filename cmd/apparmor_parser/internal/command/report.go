// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// program is the name before messages that are not about policy.
const program = "apparmor_parser"

// reporter writes diagnostics, as text in the forms of the reference or as
// JSON, and keeps the switches for classes of warnings.
type reporter struct {
	w            io.Writer
	json, quiet  bool
	warn, werror classes
	failed       bool // because of a warning about the run that counts as an error
	// hide, if set, removes from a finding what must not be shown.
	hide func(input, *diag.Diagnostic) *diag.Diagnostic
}

// say writes a message about the run itself.
func (r *reporter) say(format string, args ...any) {
	r.plain(diag.Error, "", program+": "+fmt.Sprintf(format, args...))
}

// warning writes a warning about the run itself, if its class is on. One that
// counts as an error makes the run fail in the end, but does not stop it.
func (r *reporter) warning(class diag.Class, format string, args ...any) {
	if r.diagnostic(input{}, &diag.Diagnostic{
		Severity: diag.Warning, Class: class, Message: fmt.Sprintf(format, args...),
	}) {
		r.failed = true
	}
}

// plain writes a line, or its JSON.
func (r *reporter) plain(severity diag.Severity, class diag.Class, line string) {
	if r.json {
		r.object(input{}, &diag.Diagnostic{Severity: severity, Class: class, Message: strings.TrimPrefix(line, program+": ")})
		return
	}
	r.line(line)
}

// line writes a line. Nothing can be done about a broken standard error.
func (r *reporter) line(s string) { _, _ = fmt.Fprintln(r.w, s) }

// diagnostic writes a finding about an input, unless it is a warning whose
// class is off. It reports whether the finding is an error.
func (r *reporter) diagnostic(in input, d *diag.Diagnostic) (failed bool) {
	failed = d.Severity == diag.Error
	if !failed {
		if r.quiet || !r.warn.has(d.Class) {
			return false
		}
		failed = r.werror.has(d.Class)
	}
	if r.hide != nil {
		d = r.hide(in, d)
	}
	switch {
	case r.json:
		if c := *d; failed {
			c.Severity = diag.Error
			d = &c
		}
		r.object(in, d)
	case d.Severity == diag.Error:
		r.line(errorLine(in, d))
	default:
		r.line(warningLine(in, d, failed))
	}
	return failed
}

// errorLine is the reference's form of an error: what was given on the command
// line, the file with the error, and the line there.
func errorLine(in input, d *diag.Diagnostic) string {
	var b strings.Builder
	b.WriteString("AppArmor parser error")
	if in.arg != "" {
		b.WriteString(" for " + in.arg)
	}
	if d.Pos.File != "" && (in.arg != "" || d.Pos.File != stdinName) {
		b.WriteString(" in profile " + d.Pos.File)
	}
	if d.Pos.Line > 0 {
		fmt.Fprintf(&b, " at line %d", d.Pos.Line)
	}
	b.WriteString(": " + message(d))
	return b.String()
}

// warningLine is the reference's form of a warning.
func warningLine(in input, d *diag.Diagnostic, failed bool) string {
	head := "Warning"
	if failed {
		head = "Warning converted to Error"
	}
	from := cmp.Or(in.arg, stdinName)
	if place := shownPlace(d); place != d.Pos {
		c := *d
		c.Pos, c.Related = place, nil
		d = &c
	}
	switch {
	case d.Pos.Line > 0:
		return fmt.Sprintf("%s from %s (%s line %d): %s", head, from, cmp.Or(d.Pos.File, stdinName), d.Pos.Line, message(d))
	case d.Class == diag.ClassABI:
		// What is missing is reported at line 1.
		return fmt.Sprintf("%s from %s (%s line 1): %s", head, from, from, message(d))
	case d.Profile != "":
		return fmt.Sprintf("%s from profile %s (%s): %s", head, d.Profile, from, message(d))
	}
	return fmt.Sprintf("%s: %s", head, message(d))
}

// shownPlace is the place of a warning in text: the reference reports that a
// path is a profile's name where the profile ends.
func shownPlace(d *diag.Diagnostic) ast.Position {
	if d.Code == diag.WarnPathName && len(d.Related) > 0 {
		return d.Related[0]
	}
	return d.Pos
}

// byPlace moves warnings after those of the same file with earlier places.
func byPlace(list diag.List) diag.List {
	for i := len(list) - 1; i >= 0; i-- {
		place := shownPlace(list[i])
		for j := i; j+1 < len(list) && list[j].Related != nil && place != list[j].Pos; j++ {
			next := shownPlace(list[j+1])
			if next.File != place.File || next.Line > place.Line {
				break
			}
			list[j], list[j+1] = list[j+1], list[j]
		}
	}
	return list
}

// message is a diagnostic's text without its place.
func message(d *diag.Diagnostic) string {
	if name, ok := missingInclude(d); ok {
		return "Could not open '" + name + "'"
	}
	c := *d
	c.Pos, c.Via, c.Severity = ast.Position{}, nil, diag.Error
	return c.Error()
}

// missingInclude returns the name in an include statement that finds no file.
func missingInclude(d *diag.Diagnostic) (name string, ok bool) {
	if d.Code != "include-not-found" || !errors.Is(d.Err, fs.ErrNotExist) {
		return "", false
	}
	name = includeName(d.Text)
	return name, name != ""
}

// includeName returns what the text of an include statement names.
func includeName(text string) string {
	for _, pair := range []string{"<>", `""`} {
		if _, rest, ok := strings.Cut(text, pair[:1]); ok {
			name, _, _ := strings.Cut(rest, pair[1:])
			return strings.TrimSpace(name)
		}
	}
	if fields := strings.Fields(text); len(fields) > 1 {
		return fields[len(fields)-1]
	}
	return ""
}

// place is a place in a file as JSON.
type place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Offset *int   `json:"offset,omitempty"`
}

func jsonPlace(p ast.Position) place {
	out := place{File: p.File, Line: p.Line, Column: p.Column}
	if p.IsValid() {
		out.Offset = &p.Offset
	}
	return out
}

func jsonPlaces(list []ast.Position) []place {
	var out []place
	for _, p := range list {
		out = append(out, jsonPlace(p))
	}
	return out
}

// object writes a diagnostic as one JSON object on one line.
func (r *reporter) object(in input, d *diag.Diagnostic) {
	cause := ""
	if d.Err != nil {
		cause = d.Err.Error()
	}
	// Encoding this type cannot fail, and a broken standard error cannot be
	// helped.
	_ = json.NewEncoder(r.w).Encode(struct {
		Severity string     `json:"severity"`
		Class    diag.Class `json:"class,omitempty"`
		Code     diag.Code  `json:"code,omitempty"`
		Input    string     `json:"input,omitempty"`
		place
		Profile string  `json:"profile,omitempty"`
		Message string  `json:"message"`
		Text    string  `json:"text,omitempty"`
		Hint    string  `json:"hint,omitempty"`
		Cause   string  `json:"cause,omitempty"`
		Via     []place `json:"via,omitempty"`
		Related []place `json:"related,omitempty"`
	}{
		d.Severity.String(), d.Class, d.Code, in.arg, jsonPlace(d.Pos), d.Profile,
		d.Message, d.Text, d.Hint, cause, jsonPlaces(d.Via), jsonPlaces(d.Related),
	})
}

// findings turns an error into diagnostics.
func findings(err error) diag.List {
	var list diag.List
	if errors.As(err, &list) {
		return list
	}
	var one *diag.Diagnostic
	if errors.As(err, &one) {
		return diag.List{one}
	}
	return diag.List{{Message: err.Error(), Err: err}}
}
