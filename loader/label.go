// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"slices"
	"strings"
)

// Unconfined is the label of tasks that no profile confines.
const Unconfined = "unconfined"

// Label is the confinement of a task.
type Label struct {
	// Name is a profile, parent//child for children and hats, :ns:profile in
	// another namespace, or several of these stacked with //&.
	Name string
	// Mode is enforce, complain, kill, unconfined, user, or mixed for a stack
	// whose profiles differ. It is empty for the label unconfined.
	Mode Mode
}

// ParseLabel parses what the kernel says about a task: a name, and the mode in
// parentheses after it. The name may hold blanks and parentheses itself. A
// newline at the end is removed. Nothing is invalid: text that does not end in
// a mode is all name.
func ParseLabel(s string) Label {
	s = strings.TrimSuffix(strings.TrimRight(s, "\x00"), "\n")
	name, mode, ok := cutMode(s)
	if !ok {
		return Label{Name: s}
	}
	return Label{Name: name, Mode: Mode(mode)}
}

// cutMode splits "name (mode)".
func cutMode(s string) (name, mode string, ok bool) {
	i := strings.LastIndex(s, " (")
	if i <= 0 || !strings.HasSuffix(s, ")") {
		return "", "", false
	}
	mode = s[i+2 : len(s)-1]
	switch mode {
	case "enforce", "complain", "kill", "unconfined", "user", "prompt", "mixed":
		return s[:i], mode, true
	}
	return "", "", false
}

// String returns the label as the kernel writes it.
func (l Label) String() string {
	if l.Mode == "" {
		return l.Name
	}
	return l.Name + " (" + string(l.Mode) + ")"
}

// Profiles returns the profiles that are stacked in the label, one for most
// labels. Kernels write a namespace only before the first of its profiles
// (seen on 6.1 to 7.3): :ns:a//&b is a and b of ns, and both are returned with
// it.
func (l Label) Profiles() []string {
	parts := strings.Split(l.Name, "//&")
	within := ""
	for i, p := range parts {
		if ns, _ := splitNamespace(p); ns != "" {
			within = ns
		} else {
			parts[i] = qualify(within, p)
		}
	}
	return parts
}

// Is reports whether the label is made of the same profiles as name. The order
// in which they are stacked does not matter, nor whether a namespace is
// written :ns:name or :ns://name, before each of its profiles or only before
// the first.
func (l Label) Is(name string) bool {
	return slices.Equal(components(l.Name), components(name))
}

// Uses reports whether the profile, or a child or hat of it, is one of those
// that the label is made of. If in doubt it returns true: in a stack, a
// profile without a namespace after one with a namespace counts as being in
// either.
func (l Label) Uses(profile string) bool {
	within, want := splitNamespace(profile)
	above := ""
	for p := range strings.SplitSeq(l.Name, "//&") {
		ns, name := splitNamespace(p)
		if ns != "" {
			above = ns
		}
		if (name == want || strings.HasPrefix(name, want+"//")) && (ns == within || ns == "" && above == within) {
			return true
		}
	}
	return false
}

// components returns the profiles of a label, sorted, in one spelling.
func components(label string) []string {
	parts := Label{Name: label}.Profiles()
	for i, p := range parts {
		if ns, name := splitNamespace(p); ns != "" {
			parts[i] = qualify(ns, name)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// splitNamespace splits :ns:name and :ns://name. A name without a namespace
// gives ns == "".
func splitNamespace(s string) (ns, name string) {
	if !strings.HasPrefix(s, ":") {
		return "", s
	}
	ns, name, ok := strings.Cut(s[1:], ":")
	if !ok || ns == "" {
		return "", s
	}
	return ns, strings.TrimPrefix(name, "//")
}

// qualify puts a namespace before a name.
func qualify(ns, name string) string {
	if ns == "" {
		return name
	}
	return ":" + ns + ":" + name
}

// checkName reports text that cannot be passed to the kernel as a name or
// label: its commands are lines of text, and blanks at the ends get lost.
func checkName(s string) error {
	if s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ErrName
	}
	return nil
}

// checkProfile reports names of profiles that kernels accept but that read
// like something else: like no profile at all, or like several in a stack.
func checkProfile(s string) error {
	if s == Unconfined || strings.HasPrefix(s, "&") || strings.Contains(s, "//&") {
		return ErrName
	}
	return checkName(s)
}

// checkNamespace reports what cannot be the name of one namespace.
func checkNamespace(s string) error {
	if s == "." || s == ".." || strings.ContainsAny(s, "/:") {
		return ErrName
	}
	return checkName(s)
}

// User is a thread that runs under a profile.
type User struct {
	PID, TID int   // as the procfs of Options.ProcFS numbers them
	Label    Label // what it runs under
}
