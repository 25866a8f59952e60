// SPDX-License-Identifier: Apache-2.0

package lang_test

import (
	"testing"

	"github.com/goarmor/apparmor/internal/lang"
)

func TestPerms(t *testing.T) {
	p := &lang.NetPerms
	for i := range p.Len() {
		if set, ok := p.Parse(p.Name(i)); !ok || set != 1<<i || p.String(set) != p.Name(i) || !p.Has(p.Name(i)) {
			t.Errorf("%s: %#x, %v", p.Name(i), set, ok)
		}
	}
	send, _ := p.Parse("send")
	receive, _ := p.Parse("receive")
	for word, want := range map[string]uint{"r": receive, "w": send, "rw": send | receive, "wrr": send | receive, "read": receive, "write": send} {
		if set, ok := p.Parse(word); !ok || set != want {
			t.Errorf("%s: %#x, %v; want %#x", word, set, ok, want)
		}
	}
	for _, word := range []string{"", "x", "rx", "Send", "foo"} {
		if set, ok := p.Parse(word); ok {
			t.Errorf("%q: %#x", word, set)
		}
	}
	for _, word := range []string{"", "r", "rw", "read"} {
		if set, ok := lang.IOUringPerms.Parse(word); ok {
			t.Errorf("io_uring: %q: %#x", word, set)
		}
	}
	if got := p.String(p.All()); got != "create bind listen accept connect shutdown getattr setattr getopt setopt send receive" {
		t.Errorf("all are %q", got)
	}
}
