// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Attach asks whether the profile attaches to an executable: whether it is one
// of those that a kernel chooses from when the file is executed and no rule
// names the next profile. Policy.Attachments says which one it takes.
type Attach struct {
	Path string // of the executable, absolute
	// Xattrs are the extended attributes of the file.
	Xattrs map[string]string
}

// String implements fmt.Stringer.
func (r Attach) String() string {
	s := "attach " + r.Path
	for _, name := range sortedKeys(r.Xattrs) {
		s += fmt.Sprintf(" %s=%q", name, r.Xattrs[name])
	}
	return s
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r Attach) texts() iter.Seq2[textKind, string] {
	attributes := func(yield func(textKind, string) bool) {
		for name, value := range r.Xattrs {
			if !yield(textBinary, name) || !yield(textBinary, value) {
				return
			}
		}
	}
	return and(texts(textPath, r.Path), attributes)
}

func (r Attach) ask(p asked) (Decision, error) {
	var e blob.Effective
	c, ok := r.match(p)
	if ok {
		e.Allow = blob.PermExec
	}
	if p.lookups != nil {
		p.note(blob.PartXMatch, blob.ClassXMatch, true, Exec, e, r.Path)
	}
	d := decide(Exec, e).in(wordsNone)
	if !ok && c.Length > 0 {
		d.Info = "extended attributes do not match"
	}
	return d, nil
}

// Candidate is a profile that attaches to an executable.
type Candidate struct {
	Profile *Profile // the profile that attaches
	// Named is set if the profile has no attachment and its name is the path.
	// Such a profile takes precedence over all others.
	Named bool
	// Length says how specific the attachment is, in bytes: how many bytes of
	// the path its literal part matched, or the length of the shortest path
	// that it matches if that is more. Longer ones come first.
	Length int
	// Xattrs is how many extended attributes matched; more of them come first.
	Xattrs int
}

// better orders candidates so that the one that a kernel prefers comes first.
func (c Candidate) better(than Candidate) int {
	switch {
	case c.Named != than.Named && c.Named:
		return -1
	case c.Named != than.Named:
		return 1
	}
	return cmp.Or(cmp.Compare(than.Length, c.Length), cmp.Compare(than.Xattrs, c.Xattrs))
}

// ConflictError says that several profiles attach to a path equally well: the
// kernel then takes none of them.
type ConflictError struct {
	Path     string   // of the executable
	Profiles []string // names of those that attach equally well
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: conflicting attachments: %s", e.Path, strings.Join(e.Profiles, ", "))
}

// Attachment returns the profile of this policy, children and hats aside, that
// attaches to an executable's path, or nil if none does. The file is assumed
// to have no extended attributes. The error is a *ConflictError.
func (p *Policy) Attachment(path string) (*Profile, error) {
	all, err := p.Attachments(Attach{Path: path})
	if err != nil {
		return nil, err
	}
	return winner(path, all)
}

// Attachments returns all profiles of this policy, children and hats aside,
// that attach to an executable, best first. A kernel takes the first one, or
// none of them if the second one is as good.
//
// Kernels compare while they walk their list of profiles. They may take one of
// two if the literal part of an attachment is longer than what the path has of
// it, as for /**/x.
//
// The errors are those of Profile.Ask.
func (p *Policy) Attachments(r Attach) ([]Candidate, error) { return attachments(p.set, "", r) }

// ChildAttachments is Attachments among the profile's own children.
func (p *Profile) ChildAttachments(r Attach) ([]Candidate, error) {
	return attachments(p.set, p.Name, r)
}

func attachments(set *blob.Policy, parent string, r Attach) ([]Candidate, error) {
	if err := checkTexts(r); err != nil {
		return nil, err
	}
	steps := MaxSteps
	all := candidates(asked{set: set, steps: &steps}, parent, r)
	if steps < 0 {
		return nil, tooManySteps()
	}
	return all, nil
}

// candidates are the profiles below parent that attach. The list is too short
// when p has no steps left.
func candidates(p asked, parent string, r Attach) []Candidate {
	var all []Candidate
	for _, q := range p.set.Profiles() {
		if *p.steps < 0 {
			break
		}
		if blob.ParentName(q.Name) != parent || q.Hat {
			continue
		}
		if c, ok := r.match(asked{Profile: q, set: p.set, steps: p.steps}); ok {
			c.Profile = &Profile{Profile: q, set: p.set}
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, Candidate.better)
	return all
}

// winner is the first of the candidates unless there is another one as good.
func winner(path string, all []Candidate) (*Profile, error) {
	best := 0
	for best < len(all) && all[best].better(all[0]) == 0 {
		best++
	}
	switch {
	case best == 0:
		return nil, nil
	case best == 1 || all[0].Named:
		return all[0].Profile, nil
	}
	err := &ConflictError{Path: path}
	for _, c := range all[:best] {
		err.Profiles = append(err.Profiles, c.Profile.Name)
	}
	return nil, err
}

// match reports whether a profile attaches, and how well. It has a length even
// if only the extended attributes do not match.
func (r Attach) match(q asked) (Candidate, bool) {
	if q.XMatch == nil {
		name := q.Name
		if parent := blob.ParentName(name); parent != "" {
			name = name[len(parent)+2:]
		}
		return Candidate{Named: true}, name == r.Path
	}
	start := q.XMatch.DFAStart
	if start == 0 {
		start = blob.StartState
	}
	if *q.steps -= len(r.Path); *q.steps < 0 {
		return Candidate{}, false
	}
	s, n := q.XMatch.DFA.LeftMatch(start, r.Path)
	if q.XMatchPerms(s).Allow&blob.PermExec == 0 {
		return Candidate{}, false
	}
	c := Candidate{Length: max(n, int(q.XMatchLen), 1)}
	if len(q.Xattrs) == 0 {
		return c, true
	}
	// After the path, an out-of-band step leads to each attribute of the list,
	// and a NUL to the value of one that the file has. One that it does not
	// have is skipped if there is a step from there.
	s = q.XMatch.DFA.StepOOB(s)
	for _, name := range q.Xattrs {
		value, ok := r.Xattrs[name]
		if ok {
			s = match(q, q.XMatch.DFA, match(q, q.XMatch.DFA, s, "\x00"), value)
			if q.XMatchPerms(s).Allow&blob.PermExec == 0 {
				return c, false
			}
			c.Xattrs++
		}
		if s = q.XMatch.DFA.StepOOB(s); !ok && s == blob.TrapState {
			return c, false
		}
	}
	return c, true
}

// attachRequest reads a path and the values of extended attributes.
func attachRequest(p *Profile, in blob.Input) Request {
	var parts []string
	var part strings.Builder
	for _, s := range in {
		if s == blob.OOB {
			parts = append(parts, part.String())
			part.Reset()
			continue
		}
		part.WriteByte(byte(s))
	}
	parts = append(parts, part.String())
	r := Attach{Path: parts[0]}
	for i, value := range parts[1:] {
		if value, ok := strings.CutPrefix(value, "\x00"); ok && i < len(p.Xattrs) {
			if r.Xattrs == nil {
				r.Xattrs = map[string]string{}
			}
			r.Xattrs[p.Xattrs[i]] = value
		}
	}
	return r
}
