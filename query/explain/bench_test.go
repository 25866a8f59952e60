// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"context"
	"testing"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// BenchmarkExplain measures questions to libvirt's profile of a virtual
// machine: what it takes to open the policy, to answer the first question, and
// to answer further ones.
func BenchmarkExplain(b *testing.B) {
	ctx := context.Background()
	set, o, name := vmProfile(b, k73)
	open := func(b *testing.B) *explain.Policy {
		p, err := explain.Open(ctx, set, o)
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	ask := func(b *testing.B, p *explain.Policy, r query.Request) {
		if e, err := p.Explain(ctx, name, r); err != nil || len(e.Deciding()) == 0 {
			b.Fatal(e, err)
		}
	}
	file := query.File{Path: "/dev/kvm", Perms: query.Read | query.Write}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open(b)
		}
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			p := open(b)
			b.StartTimer()
			ask(b, p, file)
		}
	})
	p := open(b)
	for what, r := range map[string]query.Request{
		"file":       file,
		"signal":     query.Signal{Signal: "term", Perms: query.Receive, Peer: "libvirtd"},
		"capability": query.Capability("dac_override"),
	} {
		b.Run(what, func(b *testing.B) {
			ask(b, p, r)
			b.ReportAllocs()
			for b.Loop() {
				ask(b, p, r)
			}
		})
	}
}
