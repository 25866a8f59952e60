// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCommonest has rows in which several states are as common.
func TestCommonest(t *testing.T) {
	for _, c := range []struct {
		name string
		row  func(i int) uint32
		want uint32
	}{
		{"each once", func(i int) uint32 { return uint32(300 - i) }, 45},
		{"two halves", func(i int) uint32 { return uint32(9 - i%2) }, 8},
		{"one more often", func(i int) uint32 { return uint32(max(i, 254)) }, 254},
	} {
		var row [256]uint32
		for i := range row {
			row[i] = c.row(i)
		}
		for range 20 { // a map has another order each time
			if got := commonest(&row); got != c.want {
				t.Errorf("%s: state %d, want %d", c.name, got, c.want)
			}
		}
	}
}

func TestDump(t *testing.T) {
	p := encode(t, fullProfile(), &Profile{Namespace: "ns", Name: "t//h", Hat: true})
	var b strings.Builder
	if err := p.Dump(&b, DumpOptions{Perms: true}); err != nil {
		t.Fatal(err)
	}
	want := `profile "t"
  header         0x00202007 (kernel abi 7)
  namespace      "ns"
  rename         "old"
  attach         "/bin/x"
  xmatch_len     6
  disconnected   "/disc"
  disconnected_ipc "/ipc"
  kill           9
  error          1
  mode           complain
  audit          all
  flags          0x2
  path_flags     0x4
  capabilities   allow 0x10000000003 audit 0x8000000000 quiet 0x4000000000
  capsx          0x140000000
  xattrs         ["user.a"]
  rlimits        nofile=1024
  secmark        audit 1 deny 0 label "*"
  secmark        audit 0 deny 1 label "label"
  net_allowed_af 1: allow 0xffff audit 0x2 quiet 0x4
  xmatch         8 states (0 differential, 1 out of band), 2048 slots of 16 bits, packed permissions
  policydb       3 states (0 differential, 0 out of band), 768 slots of 16 bits, 2 permission entries, permsv 0
    entry 0: nothing
    entry 1: allow read (0x4)
  file           4 states (0 differential, 0 out of band), 1024 slots of 32 bits, packed permissions
    xtable 0: ":ns:other"
    xtable 1: "&stack"
    xtable 2: "t//c"
  data           "key": 6 bytes

hat "t//h"
  header         0x00202007 (kernel abi 7)
  namespace      "ns"
  mode           enforce
  capabilities   allow 0x0 audit 0x0 quiet 0x0
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	one := chainDFA("/x", 4, 0)
	one.Default[3] = 3
	if err := encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: one}}).Dump(&b, DumpOptions{States: true}); err != nil {
		t.Fatal(err)
	}
	want = `    state 0: allow getattr (0x200)
    state 1: allow getattr (0x200)
      "/" -> 2
    state 2: allow getattr (0x200)
      "x" -> 3
    state 3: allow read|open|getattr (0x244) | others: allow getattr (0x200)
      else -> 3
`
	if _, states, _ := strings.Cut(b.String(), "packed permissions\n"); states != want {
		t.Error(cmp.Diff(want, states))
	}
}
