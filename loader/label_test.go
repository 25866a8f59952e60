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
		{":ns//sub:a//&b (enforce)", "b//&:ns//sub://a", true},
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

func TestParseProfiles(t *testing.T) {
	const list = "one (enforce)\n" +
		"a name (x) (complain)\n" +
		"parent//child (enforce)\n" +
		":ns://in (enforce)\n" +
		":ns//sub://below//hat (kill)\n" +
		":ns2:other (user)\n"
	for _, c := range []struct {
		within string
		want   []Profile
	}{
		{"", []Profile{
			{Name: "a name (x)", Mode: "complain"},
			{Name: "one", Mode: "enforce"},
			{Name: "parent//child", Mode: "enforce"},
			{Name: "in", Namespace: "ns", Mode: "enforce"},
			{Name: "below//hat", Namespace: "ns//sub", Mode: "kill"},
			{Name: "other", Namespace: "ns2", Mode: "user"},
		}},
		{"ns", []Profile{
			{Name: "in", Mode: "enforce"},
			{Name: "below//hat", Namespace: "sub", Mode: "kill"},
		}},
		{"ns//sub", []Profile{{Name: "below//hat", Mode: "kill"}}},
		{"n", nil},
	} {
		got, err := parseProfiles(list, c.within)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("within %q (-want +got):\n%s", c.within, diff)
		}
	}
	for _, bad := range []string{"one\n", "one (enforce)\n\n", " (enforce)\n", "one (odd)\n"} {
		if got, err := parseProfiles(bad, ""); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if got, err := parseProfiles("", ""); err != nil || len(got) > 0 {
		t.Errorf("nothing loaded: %v, %v", got, err)
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
		if strings.Join(l.Profiles(), "//&") != l.Name {
			t.Errorf("profiles of %q: %q", l.Name, l.Profiles())
		}
		if !strings.HasPrefix(s, l.String()) {
			t.Errorf("%q became %q", s, l)
		}
	})
}

func FuzzParseProfiles(f *testing.F) {
	f.Add("one (enforce)\n:ns://a b (complain)\n", "")
	f.Add(":ns//sub://a//b (kill)\n:ns:c (user)\n", "ns")
	f.Add(":ns: (enforce)\n::x (enforce)\n:x (enforce)\n", "")
	f.Fuzz(func(t *testing.T, list, within string) {
		got, err := parseProfiles(list, within)
		if err != nil && got != nil {
			t.Error("a value together with an error")
		}
		if len(got) > strings.Count(list, "\n")+1 {
			t.Errorf("%d profiles from %q", len(got), list)
		}
		for _, p := range got {
			if p.Mode == "" || !strings.Contains(list, p.Name+" ("+p.Mode+")") {
				t.Errorf("%+v is not in %q", p, list)
			}
		}
	})
}
