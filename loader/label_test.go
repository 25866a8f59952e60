// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLabel(t *testing.T) {
	for _, c := range []struct {
		in       string
		want     Label
		profiles []string
	}{
		{"unconfined\n", Label{Name: "unconfined"}, []string{"unconfined"}},
		{"unconfined\x00", Label{Name: "unconfined"}, []string{"unconfined"}},
		{"a (enforce)\n", Label{"a", "enforce"}, []string{"a"}},
		{"a (enforce)", Label{"a", "enforce"}, []string{"a"}},
		{"/usr/bin/x//hat (complain)\n", Label{"/usr/bin/x//hat", "complain"}, []string{"/usr/bin/x//hat"}},
		{"blanks (and) parentheses (kill)\n", Label{"blanks (and) parentheses", "kill"}, []string{"blanks (and) parentheses"}},
		{"x (enforce) (unconfined)\n", Label{"x (enforce)", "unconfined"}, []string{"x (enforce)"}},
		{"a//&b//&:ns:c (mixed)\n", Label{"a//&b//&:ns:c", "mixed"}, []string{"a", "b", ":ns:c"}},
		{":stacked:one//&two (enforce)\n", Label{":stacked:one//&two", "enforce"}, []string{":stacked:one", ":stacked:two"}},
		{"a//&:n://b//&c//hat//&:n//m:d//&e", Label{Name: "a//&:n://b//&c//hat//&:n//m:d//&e"}, []string{"a", ":n://b", ":n:c//hat", ":n//m:d", ":n//m:e"}},
		{"name (odd)\n", Label{Name: "name (odd)"}, []string{"name (odd)"}},
		{" (enforce)\n", Label{Name: " (enforce)"}, []string{" (enforce)"}},
		{"a (enforce", Label{Name: "a (enforce"}, []string{"a (enforce"}},
		{"", Label{}, []string{""}},
	} {
		got := ParseLabel(c.in)
		if got != c.want {
			t.Errorf("%q: got %+v, want %+v", c.in, got, c.want)
		}
		if diff := cmp.Diff(c.profiles, got.Profiles()); diff != "" {
			t.Errorf("%q: profiles (-want +got):\n%s", c.in, diff)
		}
		if s := got.String(); s != strings.TrimRight(c.in, "\n\x00") {
			t.Errorf("%q: printed as %q", c.in, s)
		}
	}
}

func TestLabelIs(t *testing.T) {
	for _, c := range []struct {
		label, name string
		want        bool
	}{
		{"a (enforce)", "a", true},
		{"a (complain)", "a", true},
		{"a (enforce)", "b", false},
		{"a//b (enforce)", "a", false},
		{"a//&b (enforce)", "a", false},
		{"a//&b (enforce)", "b//&a", true},
		{"a//&b (enforce)", "b//&a//&b", true},
		{":ns:a (enforce)", ":ns://a", true},
		{":ns:a (enforce)", "a", false},
		{":ns//sub:a//&b (enforce)", "b//&:ns//sub://a", false},
		{":ns//sub:a//&b (enforce)", ":ns//sub:b//&:ns//sub://a", true},
		{":stacked:one//&two (enforce)", ":stacked:two//&:stacked:one", true},
		{":stacked:one//&two (enforce)", ":stacked:one//&two", true},
		{":stacked:one//&two (enforce)", "two//&:stacked:one", false},
		{"own//&:stacked:one//&two (mixed)", ":stacked://one//&two//&:stacked:two", false},
		{"own//&:stacked:one//&two (mixed)", "own//&:stacked:two//&one", true},
		{"own//&:a:one//&two//&:b:three//&two", ":b:two//&three//&:a:two//&one", false},
		{"two//&:a:one//&two//&:b:three//&two", "two//&:b:two//&three//&:a:two//&one", true},
		{"unconfined", "unconfined", true},
		{"unconfined", "", false},
	} {
		if got := ParseLabel(c.label).Is(c.name); got != c.want {
			t.Errorf("%q is %q: %v", c.label, c.name, got)
		}
	}
}

func TestCheckNames(t *testing.T) {
	for _, c := range []struct {
		name                     string
		label, profile, namspace bool // whether it may be one
	}{
		{"a", true, true, true},
		{"/usr/bin/a b (c)", true, true, false},
		{"a//b", true, true, false},
		{":ns:a", true, true, false},
		{"ü", true, true, true},
		{"unconfined", true, false, true},
		{"a//&b", true, false, false},
		{"&a", true, false, true},
		{"", false, false, false},
		{" a", false, false, false},
		{"a\n", false, false, false},
		{"a\nb", false, false, false},
		{"a\x00b", false, false, false},
		{"a\x7fb", false, false, false},
		{".", true, true, false},
		{"..", true, true, false},
	} {
		for _, f := range []struct {
			what string
			err  error
			want bool
		}{
			{"label", checkName(c.name), c.label},
			{"profile", checkProfile(c.name), c.profile},
			{"namespace", checkNamespace(c.name), c.namspace},
		} {
			if (f.err == nil) != f.want || f.err != nil && !errors.Is(f.err, ErrName) {
				t.Errorf("%q as %s: %v", c.name, f.what, f.err)
			}
		}
	}
}

func TestUses(t *testing.T) {
	for _, c := range []struct {
		label, profile string
		want           bool
	}{
		{"p", "p", true},
		{"p//child", "p", true},
		{"p//child//grandchild", "p//child", true},
		{"p", "p//child", false},
		{"pp", "p", false},
		{"p", "pp", false},
		{"unconfined", "p", false},
		{"a//&p", "p", true},
		{"a//&p//child//&z", "p", true},
		{"a//&pp", "p", false},
		{":ns:p", "p", false},
		{"p", ":ns:p", false},
		{":ns:p", ":ns:p", true},
		{":ns://p//child", ":ns:p", true},
		{":ns//sub://p", ":ns//sub:p", true},
		{":ns//sub://p", ":ns:p", false},
		// The namespace may be written once for both.
		{":ns://a//&p", ":ns:p", true},
		{":ns://a//&p", "p", true},
		{":other://a//&p", ":ns:p", false},
		{":ns:a//&:other:p", ":ns:p", false},
		// What profiles below others are called, which are not ours.
		{":tenant://x//&p", "p", true},
	} {
		if got := (Label{Name: c.label}).Uses(c.profile); got != c.want {
			t.Errorf("%q uses %q: %v", c.label, c.profile, got)
		}
	}
}

func FuzzParseLabel(f *testing.F) {
	for _, s := range []string{"unconfined\n", "a (enforce)\n", "a//&:ns:b (mixed)", "x (enforce) (kill)", ":a:", "//&//&", "\n", ") ("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := ParseLabel(s)
		if !l.Is(l.Name) {
			t.Errorf("%q is not itself", l.Name)
		}
		if !l.Is(strings.Join(l.Profiles(), "//&")) || len(l.Profiles()) != strings.Count(l.Name, "//&")+1 {
			t.Errorf("profiles of %q: %q", l.Name, l.Profiles())
		}
		if !strings.HasPrefix(s, l.String()) {
			t.Errorf("%q became %q", s, l)
		}
	})
}
