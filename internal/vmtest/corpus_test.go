// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/internal/vmtest/checks"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// corpus compiles texts of the test corpus for a kernel.
type corpus struct {
	tb     testing.TB
	kernel *features.Set
	tree   fs.FS    // profiles of the newest release in Debian
	names  []string // of those
	cache  parser.Cache
}

func newCorpus(tb testing.TB, shown string) *corpus {
	tb.Helper()
	kernel, err := features.Parse([]byte(shown))
	if err != nil {
		tb.Fatal(err)
	}
	release := upstream.Profiles(tb)
	return &corpus{tb: tb, kernel: kernel, tree: release.FS, names: release.Names}
}

func (c *corpus) compile(name, text string) *blob.Policy {
	c.tb.Helper()
	roots := []fs.FS{c.tree}
	unit, err := parser.Config{Roots: roots, Cache: &c.cache}.ParseTree(c.tb.Context(), name, text)
	if err != nil {
		c.tb.Fatalf("%+v", err)
	}
	set, err := policy.Resolve(c.tb.Context(), unit, policy.Options{Kernel: c.kernel, Default: c.kernel, Roots: roots})
	if err != nil {
		c.tb.Fatalf("%+v", err)
	}
	out, err := compile.Compile(c.tb.Context(), set, compile.Options{Kernel: c.kernel, Degrade: compile.Report})
	if err != nil {
		c.tb.Fatalf("%+v", err)
	}
	return out.Policy
}

// addUpstream adds profiles of the newest release, below corpus/upstream.
func (c *corpus) addUpstream(files map[string][]byte) {
	c.tb.Helper()
	for _, name := range c.names {
		text, err := fs.ReadFile(c.tree, name)
		if err != nil {
			c.tb.Fatal(err)
		}
		files["corpus/upstream/"+name] = c.compile(name, string(text)).Bytes()
	}
}

// addEquality adds what upstream's equality suite says to mean different
// things: below corpus/equality the profiles, each once and called by the case
// that has it first, many to a policy, and as corpus/questions every string
// that tells the two of a case apart.
func (c *corpus) addEquality(files map[string][]byte) {
	c.tb.Helper()
	texts := map[string]*blob.Policy{}         // as they are compiled
	policies := map[[32]byte][]*blob.Profile{} // by digest, with the names that they get
	compared := map[[2][32]byte]bool{}
	var all []*blob.Profile
	var questions []checks.Question
	for _, test := range upstream.EqualityCases(c.tb) {
		if test.Op != "not_equal" {
			continue
		}
		var first *blob.Policy
		for i, text := range test.Profiles {
			p := texts[text]
			if p == nil {
				p = c.compile(test.ID, text+"\n")
				texts[text] = p
			}
			if policies[p.Digest()] == nil {
				list := renamed(p, fmt.Sprintf("%s.%d", test.ID, i))
				policies[p.Digest()] = list
				all = append(all, list...)
			}
			if i == 0 {
				first = p
				continue
			}
			pair := [2][32]byte{first.Digest(), p.Digest()}
			if !compared[pair] && pair[0] != pair[1] {
				compared[pair] = true
				questions = append(questions, c.differences(policies[pair[0]], policies[pair[1]])...)
			}
		}
	}
	const each = 100
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && all[n].Namespace == all[i].Namespace && (n < i+each || blob.ParentName(all[n].Name) != "") {
			n++
		}
		p, err := blob.Encode(all[i:n])
		if err != nil {
			c.tb.Fatal(err)
		}
		files[fmt.Sprintf("corpus/equality/%05d", i)] = p.Bytes()
		i = n
	}
	var err error
	if files["corpus/questions"], err = json.Marshal(questions); err != nil {
		c.tb.Fatal(err)
	}
}

// renamed returns the profiles of a policy with other names: the name given and
// a number. Children keep the rest of theirs, unless their parent is elsewhere.
func renamed(p *blob.Policy, name string) []*blob.Profile {
	list := p.Profiles()
	names := map[string]string{} // by the old ones
	for i, q := range list {
		r := *q
		if parent := names[blob.ParentName(q.Name)]; parent != "" {
			r.Name = parent + strings.TrimPrefix(q.Name, blob.ParentName(q.Name))
		} else {
			r.Name = fmt.Sprintf("%s.%d", name, i)
		}
		names[q.Name] = r.Name
		list[i] = &r
	}
	return list
}

// differences returns the strings to which the profiles of two policies answer
// differently, as questions to both.
func (c *corpus) differences(a, b []*blob.Profile) []checks.Question {
	c.tb.Helper()
	var out []checks.Question
	for i := range min(len(a), len(b)) {
		found, err := blob.Diff(a[i], b[i], blob.DiffOptions{})
		if err != nil {
			c.tb.Fatal(err)
		}
		for _, d := range found {
			in, ok := d.Input.Bytes()
			class := blob.ClassFile
			switch {
			case !ok || d.Member != "":
				continue
			case d.Part == blob.PartPolicydb && len(in) > 0:
				class, in = blob.Class(in[0]), in[1:]
			case d.Part != blob.PartFile:
				continue
			}
			out = append(out, checks.Question{Profile: a[i].Name, Class: class, In: in}, checks.Question{Profile: b[i].Name, Class: class, In: in})
		}
	}
	return out
}
