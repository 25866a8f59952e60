// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// Attachments are the programs that profiles of several policies attach to, such
// as those of a directory: kernels choose among all profiles of a namespace that
// are loaded. The zero value has none and is ready. It is not safe for concurrent
// use.
type Attachments struct {
	namespaces map[string]*rivals
}

// rivals are the profiles of a namespace that are not children of others.
type rivals struct {
	built []*blob.Profile
	of    []int // which policy each is from
	where []func(*blob.Profile) (ast.Position, []ast.Position)
	count int // of policies
}

// maxDirectorySteps is how many states of other profiles are looked at for one
// policy.
const maxDirectorySteps = 1 << 18

// Add adds the profiles of a policy and returns an error, of the code
// diag.CodeAttachConflict, for each pair of one of them and one of a policy that
// was added before which attach to a program equally well, so that kernels take
// neither. Compile looks at the pairs within a policy. Children, which are
// chosen among those of their parent, and profiles with extended attributes are
// not looked at, nor is a profile with one that has its name and so takes its
// place.
//
// Where, if not nil, says where a profile is written, and through which includes;
// it is called for profiles of errors only, also in later calls of Add.
func (a *Attachments) Add(p *blob.Policy, where func(*blob.Profile) (pos ast.Position, via []ast.Position)) diag.List {
	if where == nil {
		where = func(*blob.Profile) (ast.Position, []ast.Position) { return ast.Position{}, nil }
	}
	var found diag.List
	steps := maxDirectorySteps
	added := map[*rivals]bool{}
	for _, q := range p.Profiles() {
		if q.Hat || blob.ParentName(q.Name) != "" || !chosen(q) {
			continue
		}
		r := a.namespaces[q.Namespace]
		if r == nil {
			if r = (&rivals{}); a.namespaces == nil {
				a.namespaces = map[string]*rivals{}
			}
			a.namespaces[q.Namespace] = r
		}
		if !added[r] {
			added[r] = true
			r.count++
		}
		before := len(r.built)
		for before > 0 && r.of[before-1] == r.count {
			before-- // of this policy
		}
		// Equal names are left out afterwards: they are few.
		if before > 0 && steps > 0 {
			for _, m := range equalMatches(q, r.built[:before], &steps) {
				first := r.built[m.other]
				if first.FullName() == q.FullName() {
					continue
				}
				x, y := &attached{name: first.Name}, &attached{name: q.Name}
				x.pos, _ = r.where[m.other](first)
				y.pos, y.via = where(q)
				found = append(found, attachConflict(x, y, m.path))
			}
		}
		r.built, r.of, r.where = append(r.built, q), append(r.of, r.count), append(r.where, where)
	}
	return slices.Clip(found)
}
