package compile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/policy"
)

// The feature files of the corpus.
const (
	k61   = "kernel-6.1.192"
	k612  = "kernel-6.12.107"
	k72   = "kernel-7.2.13"
	k73   = "kernel-7.3.4"
	suite = "features.all"
)

var kernels = []string{k61, k612, k72, k73}

func kernelSet(tb testing.TB, name string) *features.Set {
	tb.Helper()
	data, err := os.ReadFile(testenv.Corpus(tb, "features/"+name))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := features.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// ruleSet wraps rules in a profile named t.
func ruleSet(rules ...ast.Rule) *policy.Set {
	p := &policy.Profile{Name: "t"}
	for _, r := range rules {
		p.Rules = append(p.Rules, policy.Rule{Rule: r})
	}
	return &policy.Set{Profiles: []*policy.Profile{p}}
}

func mustCompile(tb testing.TB, kernel string, set *policy.Set) *compile.Output {
	tb.Helper()
	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: kernelSet(tb, kernel), Degrade: compile.Report})
	if err != nil {
		tb.Fatalf("%+v", err)
	}
	return out
}

// withoutOldNetwork takes the member net_allowed_af out of a stream. Parsers
// write it for kernels with the old form of network mediation, which have long
// been gone; only the suite's feature files still ask for it.
func withoutOldNetwork(data []byte) []byte {
	name := []byte("\x04\x0f\x00net_allowed_af\x00\x0b")
	for {
		i := bytes.Index(data, name)
		if i < 0 {
			return data
		}
		count := int(binary.LittleEndian.Uint16(data[i+len(name):]))
		end := i + len(name) + 2 + 9*count + 1 // three U16 each
		data = slices.Concat(data[:i], data[end:])
	}
}

// grants reads what a profile says to a string, as text that is easy to
// compare: "allow 8004" or "allow 244 quiet 1 | allow 200" for owner | other.
func grants(p *blob.Profile, part blob.Part, in string) string {
	show := func(e blob.Effective) string {
		if part == blob.PartPolicydb {
			e.Allow &^= blob.PermLock
		}
		s := fmt.Sprintf("%x", e.Allow)
		if e.Audit != 0 {
			s += fmt.Sprintf(" audit %x", e.Audit)
		}
		if e.Quiet != 0 {
			s += fmt.Sprintf(" quiet %x", e.Quiet)
		}
		if e.Prompt != 0 {
			s += fmt.Sprintf(" prompt %x", e.Prompt)
		}
		if x := e.Exec.String(); x != "" {
			s += " " + x
		}
		return s
	}
	switch part {
	case blob.PartFile:
		db, start := p.FileDB()
		if db == nil {
			return "none"
		}
		s := db.DFA.MatchString(start, in)
		owner, other := show(p.FilePerms(s, true)), show(p.FilePerms(s, false))
		if owner == other {
			return owner
		}
		return owner + " | " + other
	case blob.PartXMatch:
		if p.XMatch == nil {
			return "none"
		}
		return show(p.XMatchPerms(p.XMatch.DFA.MatchString(blob.StartState, in)))
	}
	if p.Policydb == nil {
		return "none"
	}
	return show(p.PolicydbPerms(p.Policydb.DFA.MatchString(blob.StartState, in)))
}
