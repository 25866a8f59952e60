// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Profile is a profile that is loaded.
type Profile struct {
	Name string // parent//child for children and hats
	// Namespace is relative to the Kernel that was asked, with // between
	// nested ones; empty for its own.
	Namespace string
	Mode      string // enforce, complain, kill, unconfined, user
}

// parseProfiles parses the kernel's list of profiles: "name (mode)" a line,
// with :ns://name for those of other namespaces. Only those in the namespace
// within, or below it, are returned, sorted by namespace and name.
func parseProfiles(text, within string) ([]Profile, error) {
	var out []Profile
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		name, mode, ok := cutMode(line)
		if !ok {
			return nil, fmt.Errorf("unexpected line in the list of profiles: %q", line)
		}
		p := Profile{Mode: mode}
		p.Namespace, p.Name = splitNamespace(name)
		if p.Namespace, ok = relative(p.Namespace, within); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Profile) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// relative returns namespace ns as seen from the namespace within, and
// whether it is within or below.
func relative(ns, within string) (string, bool) {
	if within == "" || ns == within {
		return strings.TrimPrefix(ns, within), true
	}
	return strings.CutPrefix(ns, within+"//")
}
