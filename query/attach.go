package query

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// ConflictError says that several profiles attach to a path equally well: the
// kernel then takes none of them.
type ConflictError struct {
	Path     string
	Profiles []string
}

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: conflicting attachments: %s", e.Path, strings.Join(e.Profiles, ", "))
}

// Attachment returns the profile of this policy, children and hats aside, that
// attaches to an executable's path, or nil when none does. Extended attributes
// are taken as absent from the file. The error is a *ConflictError.
func (p *Policy) Attachment(path string) (*Profile, error) { return attachment(p.set, "", path) }

// ChildAttachment is Attachment among the profile's own children.
func (p *Profile) ChildAttachment(path string) (*Profile, error) {
	return attachment(p.set, p.Name, path)
}

func attachment(set *blob.Policy, parent, path string) (*Profile, error) {
	var best []*blob.Profile
	bestLen := -1
	for _, q := range set.Profiles() {
		if blob.ParentName(q.Name) != parent || q.Hat {
			continue
		}
		if q.XMatch == nil {
			name := q.Name
			if parent != "" {
				name = name[len(parent)+2:]
			}
			if name == path {
				return &Profile{Profile: q, set: set}, nil
			}
			continue
		}
		s, n := q.XMatch.DFA.LeftMatch(blob.StartState, path)
		if q.XMatchPerms(s).Allow&blob.PermExec == 0 || !absentXattrs(q, s) {
			continue
		}
		n = max(n, int(q.XMatchLen))
		switch {
		case n > bestLen:
			best, bestLen = []*blob.Profile{q}, n
		case n == bestLen:
			best = append(best, q)
		}
	}
	switch len(best) {
	case 0:
		return nil, nil
	case 1:
		return &Profile{Profile: best[0], set: set}, nil
	}
	err := &ConflictError{Path: path}
	for _, q := range best {
		err.Profiles = append(err.Profiles, q.Name)
	}
	return nil, err
}

// absentXattrs reports whether the attachment accepts a file without any of
// the attributes that it lists: each must be optional.
func absentXattrs(q *blob.Profile, s uint32) bool {
	for range q.Xattrs {
		s = q.XMatch.DFA.StepOOB(s)
		if q.XMatchPerms(s).Allow&blob.PermExec == 0 {
			return false
		}
	}
	return true
}
