// SPDX-License-Identifier: Apache-2.0

package blob

import "slices"

// Join makes one policy of several, whose profiles follow each other. It is what
// Inspect makes of their streams, one after the other, with the same errors, but
// what has been verified is not verified once more: only names are looked at.
// Without a policy the error is that of an empty stream.
func Join(list ...*Policy) (*Policy, error) {
	size, profiles, named := 0, 0, false
	for _, p := range list {
		size += len(p.data)
		profiles += len(p.heads)
		// A namespace that one header names is that of all profiles.
		named = named || slices.ContainsFunc(p.heads, func(q *Profile) bool { return q.Namespace != "" })
	}
	data := make([]byte, 0, size)
	for _, p := range list {
		data = append(data, p.data...)
	}
	if named || profiles == 0 {
		return Inspect(data)
	}
	joined := &Policy{data: data, heads: make([]*Profile, 0, profiles), checked: list[0].checked}
	s := newSet("")
	for _, p := range list {
		for _, q := range p.heads {
			if s.add(q) != nil {
				return Inspect(data) // which says where
			}
		}
		joined.heads = append(joined.heads, p.heads...)
		if joined.checked != nil && (p.checked == nil || *p.checked != *joined.checked) {
			joined.checked = nil
		}
	}
	joined.needs = s.needs
	return joined, nil
}
