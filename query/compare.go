// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Difference is one thing in which two profiles, or two policies, differ.
type Difference struct {
	blob.Difference
	// Request is a request that the two profiles answer differently, as
	// AnswerA and AnswerB say. No request with fewer bytes is answered in the
	// same two ways. It is nil for a difference that requests do not show,
	// such as the mode: then Member, TextA and TextB describe it.
	Request          Request
	AnswerA, AnswerB Decision
}

// String describes the difference in one line.
func (d Difference) String() string {
	if d.Request == nil {
		return d.Difference.String()
	}
	return fmt.Sprintf("%s: %v: %v | %v", d.Profile, d.Request, d.AnswerA, d.AnswerB)
}

// Diff returns the differences between two profiles: first those that requests
// do not show, then for each class the requests that they answer differently,
// shortest first, each with a pair of answers that those before it do not
// have, up to ten of a kind. It returns nothing for profiles that answer all
// requests alike and have the same mode and other members, however they are
// written. Names are not compared.
//
// Whether a class is mediated counts only if answers depend on it. A limit of
// infinity counts as no limit. Both profiles should be compiled for one
// kernel. The error is a *diag.LimitError for automata that are too large to
// compare, or ctx's; the differences found so far are returned with it. Large
// automata take seconds.
func (p *Profile) Diff(ctx context.Context, q *Profile) ([]Difference, error) {
	c := comparison{ctx: ctx, a: p, b: q, differ: differing, confirm: func(x, y Decision) bool { return x.answer() != y.answer() }}
	c.members()
	c.attachments()
	c.requests()
	return c.found, errors.Join(c.errs...)
}

// Equal reports whether Diff finds nothing. It is the faster way to ask.
func (p *Profile) Equal(ctx context.Context, q *Profile) (bool, error) {
	if same, err := blob.Equal(p.Profile, q.Profile); same && err == nil {
		return true, nil
	}
	found, err := p.Diff(ctx, q)
	return len(found) == 0 && err == nil, err
}

// Covers returns what q lets pass that p does not: nothing if every request
// that passes under q does so under p, with the same transition on exec. Each
// result has a request, except the one that says that the mode of q is more
// permissive; the rest then compares what the rules allow.
//
// What is audited does not count, nor do path flags and attachments, and
// unconfined profiles let everything pass except requests about user
// namespaces. The rest is as for Diff.
func (p *Profile) Covers(ctx context.Context, q *Profile) ([]Difference, error) {
	modeA, modeB := p.EffectiveMode(), q.EffectiveMode()
	c := comparison{ctx: ctx, a: p, b: q}
	if permissive(modeB) > permissive(modeA) {
		c.member("mode", modeA.String(), modeB.String())
		modeB = blob.Enforce
	}
	c.differ = func(x, y answer) Perms {
		gap := y.passes(modeB) &^ x.passes(modeA)
		if x.grant&y.grant&Exec != 0 && x.exec != y.exec {
			gap |= Exec
		}
		return gap
	}
	c.confirm = func(x, y Decision) bool {
		x.Mode, y.Mode = modeA, modeB
		return y.Permitted() && (!x.Permitted() || x.Request&Exec != 0 && x.Allowed() && y.Allowed() && x.Exec != y.Exec)
	}
	if c.namespacesOnly = modeA == blob.Unconfined; !c.namespacesOnly && modeB == blob.Unconfined {
		modeB = blob.Enforce
	}
	c.requests()
	return c.found, errors.Join(c.errs...)
}

// permissive ranks modes by what they let pass.
func permissive(m blob.Mode) int {
	switch m {
	case blob.Complain:
		return 1
	case blob.Unconfined:
		return 2
	}
	return 0
}

// answer is the answer of one side for some permissions: a Decision in a form
// in which many can be compared.
type answer struct {
	want, grant, audit, quiet, prompt Perms
	exec                              blob.Exec
}

func (d Decision) answer() answer {
	a := answer{want: d.Request, grant: d.Allow, audit: d.Audit, quiet: d.Quiet, prompt: d.Prompt}
	if d.Allow&Exec != 0 {
		a.exec = d.Exec
	}
	return a
}

// passes returns what a kernel lets pass in a mode.
func (a answer) passes(m blob.Mode) Perms {
	if m == blob.Complain {
		return a.want &^ a.quiet
	}
	return a.grant
}

// differing returns the permissions in which two answers differ.
func differing(x, y answer) Perms {
	bits := (x.grant ^ y.grant) | (x.audit ^ y.audit) | (x.quiet ^ y.quiet) | (x.prompt ^ y.prompt)
	if x.exec != y.exec {
		bits |= Exec
	}
	return bits
}

// comparison gathers the differences between two profiles.
type comparison struct {
	ctx  context.Context
	a, b *Profile
	// differ returns the permissions for which two answers differ; confirm
	// reports whether two decisions do.
	differ         func(x, y answer) Perms
	confirm        func(x, y Decision) bool
	namespacesOnly bool
	// within, if not zero, are the permissions that matter, and nothing matters
	// where b grants nothing; see Requests.
	within  Perms
	classes map[[2]*blob.DFA][2][256]byte // see bytes

	found []Difference
	errs  []error
}

func (c *comparison) member(name, a, b string) {
	c.found = append(c.found, Difference{Difference: blob.Difference{Profile: c.a.Name, Member: name, TextA: a, TextB: b}})
}

// add adds a difference with the first of the requests that are answered
// differently, and reports whether there is one.
func (c *comparison) add(d blob.Difference, requests ...Request) bool {
	for _, r := range requests {
		x, errX := c.a.Ask(r)
		y, errY := c.b.Ask(r)
		if errX == nil && errY == nil && c.confirm(x, y) {
			d.Profile = c.a.Name
			c.found = append(c.found, Difference{d, r, x, y})
			return true
		}
	}
	return false
}

// members compares what requests do not show.
func (c *comparison) members() {
	rest := func(p *Profile) *blob.Profile {
		q := *p.Profile
		q.XMatch, q.Policydb, q.File = nil, nil, nil
		q.Caps = blob.Caps{Extended: q.Caps.Extended}
		q.RlimitMask, q.Families = 0, nil
		return &q
	}
	found, err := blob.Diff(rest(c.a), rest(c.b), blob.DiffOptions{})
	c.errs = append(c.errs, err)
	for _, d := range found {
		c.found = append(c.found, Difference{Difference: d})
	}
}

// attachments compares which executables the profiles attach to, and how they
// are ranked.
func (c *comparison) attachments() {
	attached := func(p *Profile) *blob.Profile {
		return &blob.Profile{Name: p.Name, Header: p.Header, XMatch: p.XMatch, XMatchLen: p.XMatchLen}
	}
	found, err := blob.Diff(attached(c.a), attached(c.b), blob.DiffOptions{Ignore: func(d blob.Difference) bool {
		return d.Member == "" && !c.add(d, attachRequest(c.a, d.Input), attachRequest(c.b, d.Input))
	}})
	c.errs = append(c.errs, err)
	for _, d := range found {
		if d.Member != "" {
			c.found = append(c.found, Difference{Difference: d})
		}
	}
}

// requests compares the answers to requests of every class.
func (c *comparison) requests() {
	if !c.namespacesOnly {
		c.capabilities()
		c.limits()
	}
	only := func(p *Profile, file, policydb *blob.PolicyDB) *blob.Profile {
		return &blob.Profile{Name: p.Name, Header: p.Header, File: file, Policydb: policydb}
	}
	same := func(a, b *blob.Profile) bool {
		same, err := blob.Equal(a, b)
		return same && err == nil
	}
	sameDB := same(only(c.a, nil, c.a.Policydb), only(c.b, nil, c.b.Policydb))
	sameFile := same(only(c.a, c.a.File, nil), only(c.b, c.b.File, nil))
	for i := range kinds {
		k := &kinds[i]
		if c.namespacesOnly && k.class != blob.ClassNamespaces {
			continue
		}
		if k.class == blob.ClassNet && (hasFamilies(c.a) || hasFamilies(c.b)) {
			c.families()
			continue
		}
		// Sides that grant the same answer alike.
		if k.class == blob.ClassFile && sameFile && (c.a.File != nil || sameDB) || k.class != blob.ClassFile && sameDB {
			continue
		}
		if err := c.kind(k); err != nil {
			c.errs = append(c.errs, fmt.Errorf("class %v: %w", k.class, err))
		}
	}
}

// hasFamilies reports whether a profile decides on sockets by the masks that
// there were before classes.
func hasFamilies(p *Profile) bool {
	_, s := netClass(p.Profile)
	return s == blob.TrapState && p.Families != nil
}

func (c *comparison) families() {
	found := 0
	for _, family := range linux.Families {
		for _, typ := range linux.SocketTypes {
			if family != "" && typ != "" && found < maxFound && c.add(blob.Difference{}, Network{Family: family, Type: typ}) {
				found++
			}
		}
	}
}

// maxFound is how many differences are looked for among requests of a kind.
const maxFound = 10
