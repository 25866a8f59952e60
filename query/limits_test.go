// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	. "github.com/goarmor/apparmor/query"
)

// TestTexts: a path that is not absolute and a NUL would ask for something else,
// such as a pair of paths, and are refused.
func TestTexts(t *testing.T) {
	all := open(t, &blob.Profile{Name: "t", File: everyString(), Policydb: everyString()})
	p := profile(t, all, "t")
	for _, tt := range []struct {
		r            Request
		text, reason string
	}{
		{File{Path: "etc/passwd", Perms: Read}, "etc/passwd", "is not absolute"},
		{File{Perms: Read}, "", "is not absolute"},
		{File{Path: "/a\x00/b", Perms: Read}, "/a\x00/b", "has a NUL"},
		{Link{Path: "a", Target: "/b"}, "a", "is not absolute"},
		{Link{Path: "/a", Target: "b"}, "b", "is not absolute"},
		{Link{Path: "/a", Target: "/b\x00"}, "/b\x00", "has a NUL"},
		{Execute{Path: "sh"}, "sh", "is not absolute"},
		{Attach{Path: "sh"}, "sh", "is not absolute"},
		{ChangeProfile{Target: "t", OnExec: true, Path: "sh"}, "sh", "is not absolute"},
		{ChangeProfile{Target: "t\x00u"}, "t\x00u", "has a NUL"},
		{ChangeHat{Hats: []string{"a", "b\x00"}}, "b\x00", "has a NUL"},
		{Capability("kill\x00"), "kill\x00", "has a NUL"},
		{Rlimit{Resource: "cpu\x00"}, "cpu\x00", "has a NUL"},
		{Network{Family: "inet\x00", Type: "raw"}, "inet\x00", "has a NUL"},
		{Network{Family: "inet", Type: "raw\x00"}, "raw\x00", "has a NUL"},
		{Unix{Type: "stream\x00"}, "stream\x00", "has a NUL"},
		{Unix{Type: "stream", Peer: "p\x00"}, "p\x00", "has a NUL"},
		{Signal{Signal: "term", Perms: Send, Peer: "p\x00"}, "p\x00", "has a NUL"},
		{Ptrace{Perms: Trace, Peer: "p\x00"}, "p\x00", "has a NUL"},
		{Mount{Target: "mnt/", Source: "/dev/x"}, "mnt/", "is not absolute"},
		{Mount{Target: "/mnt/", Source: "a\x00b"}, "a\x00b", "has a NUL"},
		{Mount{Target: "/mnt/", FSType: "a\x00b"}, "a\x00b", "has a NUL"},
		{Mount{Target: "/mnt/", Data: "a\x00b"}, "a\x00b", "has a NUL"},
		{Umount{Target: "mnt/"}, "mnt/", "is not absolute"},
		{PivotRoot{NewRoot: "a/", PutOld: "/b/"}, "a/", "is not absolute"},
		{PivotRoot{NewRoot: "/a/", PutOld: "b/"}, "b/", "is not absolute"},
		{DBus{Bus: "a\x00"}, "a\x00", "has a NUL"},
		{DBus{Name: "a\x00"}, "a\x00", "has a NUL"},
		{DBus{Peer: "a\x00"}, "a\x00", "has a NUL"},
		{DBus{ObjectPath: "a\x00"}, "a\x00", "has a NUL"},
		{DBus{Interface: "a\x00"}, "a\x00", "has a NUL"},
		{DBus{Member: "a\x00"}, "a\x00", "has a NUL"},
		{Mqueue{Name: "q"}, "q", "is not absolute"},
		{Mqueue{Name: "/q", Label: "l\x00"}, "l\x00", "has a NUL"},
		{Mqueue{Key: 1, Label: "l\x00"}, "l\x00", "has a NUL"},
		{IOUring{OverrideCreds: true, Label: "l\x00"}, "l\x00", "has a NUL"},
	} {
		d, err := p.Ask(tt.r)
		var bad *TextError
		if !errors.As(err, &bad) || bad.Text != tt.text || bad.Reason != tt.reason {
			t.Errorf("%v: %v, want %q %s", tt.r, err, tt.text, tt.reason)
			continue
		}
		if want := fmt.Sprintf("%v: %q %s", tt.r, tt.text, tt.reason); err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		if d.Allow != 0 || d.Deny != ^Perms(0) || d.Request != ^Perms(0) || !d.Mediated || p.Allows(tt.r) {
			t.Errorf("%v: %+v does not deny everything", tt.r, d)
		}
	}
	for _, r := range []Request{
		Unix{Type: "stream", Perms: Bind, Addr: "@a\x00b"},
		Unix{Type: "stream", Perms: Connect, PeerAddr: "@a\x00b"},
		Attach{Path: "/t", Xattrs: map[string]string{"user.a": "b\x00"}},
		ChangeProfile{Target: "t"}, Mqueue{Key: 1},
	} {
		if _, err := p.Ask(r); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
	var bad *TextError
	if _, err := all.Attachments(Attach{Path: "t"}); !errors.As(err, &bad) {
		t.Errorf("Attachments of a relative path: %v", err)
	}
	if _, err := all.Attachment("t"); !errors.As(err, &bad) {
		t.Errorf("Attachment of a relative path: %v", err)
	}
	if _, err := p.ChildAttachments(Attach{Path: "t"}); !errors.As(err, &bad) {
		t.Errorf("ChildAttachments of a relative path: %v", err)
	}
}

// everyString is an automaton that grants everything on every string but for
// the empty one.
func everyString() *blob.PolicyDB {
	n := 256 + 2
	d := &blob.DFA{
		Accept: []uint32{0, 0x7f, 0x7f}, Accept2: make([]uint32, 3), Base: []uint32{0, 1, 2}, Default: []uint32{0, 2, 2},
		Next: make([]uint32, n), Check: make([]uint32, n),
	}
	for i := range d.Check {
		d.Check[i] = 0 // every state goes on as its default says
	}
	return &blob.PolicyDB{DFA: d}
}

// chainOf is an automaton of files in which each byte looks at many
// differentially encoded states.
func chainOf(states int) *blob.PolicyDB {
	n := 256
	d := &blob.DFA{
		Flags: blob.FlagDiff, Accept: make([]uint32, states), Accept2: make([]uint32, states),
		Base: make([]uint32, states), Default: make([]uint32, states), Next: make([]uint32, n), Check: make([]uint32, n),
	}
	last := uint32(states - 1)
	for s := uint32(1); s < last; s++ {
		d.Base[s], d.Default[s] = blob.BaseDiff, s+1
	}
	d.Default[last] = 1
	return &blob.PolicyDB{DFA: d}
}

// TestSteps asks a crafted policy of 900 KB, each byte of a path of which would
// cost as many steps as there are states.
func TestSteps(t *testing.T) {
	const states = 60000
	p := profile(t, open(t, &blob.Profile{Name: "t", File: chainOf(states)}), "t")
	long := "/" + strings.Repeat("a", MaxSteps/states)
	var limit *diag.LimitError
	d, err := p.Ask(File{Path: long, Perms: Read})
	if !errors.As(err, &limit) || limit.Limit != MaxSteps || d.Allowed() {
		t.Errorf("%v, %v, want a limit of %d steps", d, err, MaxSteps)
	}
	if _, _, err := p.Trace(File{Path: long, Perms: Read}); !errors.As(err, &limit) {
		t.Errorf("Trace: %v", err)
	}
	if _, err := p.Ask(File{Path: "/" + strings.Repeat("a", MaxSteps/states/2), Perms: Read}); err != nil {
		t.Errorf("half of it: %v", err)
	}
}

// TestLastStep takes exactly as many steps as an answer may.
func TestLastStep(t *testing.T) {
	const each = 1 << 15 // steps for a byte
	p := profile(t, open(t, &blob.Profile{Name: "t", File: chainOf(each + 1)}), "t")
	path := "/" + strings.Repeat("a", MaxSteps/each-1)
	if _, err := p.Ask(File{Path: path, Perms: Read}); err != nil {
		t.Errorf("%d steps: %v", MaxSteps, err)
	}
	var limit *diag.LimitError
	if _, err := p.Ask(File{Path: path + "a", Perms: Read}); !errors.As(err, &limit) {
		t.Errorf("one byte more: %v", err)
	}
}

// TestManyProfiles asks which of many profiles attaches to a long path.
func TestManyProfiles(t *testing.T) {
	profiles := []*blob.Profile{{Name: "t", File: everyString()}}
	for i := range MaxSteps>>16 + 1 {
		profiles = append(profiles, &blob.Profile{Name: fmt.Sprint("p", i), XMatch: everyString()})
	}
	all := open(t, profiles...)
	long := "/" + strings.Repeat("a", MaxRequest-1)
	if found, err := open(t, profiles[:MaxSteps/MaxRequest+1]...).Attachments(Attach{Path: long}); err != nil || len(found) != MaxSteps/MaxRequest {
		t.Errorf("%d profiles, %v, with exactly %d steps", len(found), err, MaxSteps)
	}
	var limit *diag.LimitError
	if found, err := all.Attachments(Attach{Path: long}); !errors.As(err, &limit) || limit.Limit != MaxSteps || found != nil {
		t.Errorf("%d profiles, %v, want a limit of %d steps", len(found), err, MaxSteps)
	}
	if found, err := all.Attachments(Attach{Path: long[:1000]}); err != nil || len(found) != len(profiles)-1 {
		t.Errorf("%d profiles, %v", len(found), err)
	}
}

func TestMaxRequest(t *testing.T) {
	p := profile(t, open(t, &blob.Profile{Name: "t", File: everyString()}), "t")
	path := "/" + strings.Repeat("a", MaxRequest-1)
	if _, err := p.Ask(File{Path: path, Perms: Read}); err != nil {
		t.Errorf("%d bytes: %v", len(path), err)
	}
	for _, r := range []Request{File{Path: path + "a", Perms: Read}, Link{Path: path, Target: "/"}} {
		var limit *diag.LimitError
		if _, err := p.Ask(r); !errors.As(err, &limit) || limit.Limit != MaxRequest || limit.Got != MaxRequest+1 {
			t.Errorf("%d bytes: %v", MaxRequest+1, err)
		}
	}
}

func TestComparisonsStop(t *testing.T) {
	a := open(t, &blob.Profile{Name: "t", File: everyString()})
	b := open(t, &blob.Profile{Name: "t", File: chainOf(3)})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Diff(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("Diff: %v", err)
	}
	if _, err := a.Covers(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("Covers: %v", err)
	}
	if same, err := a.Equal(ctx, b); same || !errors.Is(err, context.Canceled) {
		t.Errorf("Equal: %v, %v", same, err)
	}
	if found, err := a.Diff(context.Background(), b); err != nil || len(found) == 0 {
		t.Errorf("Diff without a cancellation: %v, %v", slices.Clip(found), err)
	}
}
