// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// flat is what the kernel's form of a profile has outside of automata.
type flat struct {
	Namespace, Name string
	Hat             bool
	Mode            blob.Mode
	Audit           bool
	PathFlags       blob.PathFlags
	HasPathFlags    bool
	Attaches        bool
	Disconnected    string
	Rlimits         map[string]uint64
}

var rlimitNumbers = []string{
	"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending", "msgqueue",
	"nice", "rtprio", "rttime",
}

// TestUpstream resolves AppArmor's own profiles and compares all that is flat
// with what its parser compiled them to for kernel 6.12.
func TestUpstream(t *testing.T) {
	for _, release := range upstream.Releases(t) {
		t.Run(release.Name, func(t *testing.T) { compareFlat(t, release) })
	}
}

func compareFlat(t *testing.T, release upstream.Release) {
	roots := []fs.FS{release.FS}
	cache := &parser.Cache{}
	n := 0
	for _, name := range release.Sample() {
		compiled := release.Compiled(t, "6.12", name)
		unit, err := parser.Config{Roots: roots, Cache: cache}.ParseFS(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		set, err := policy.Resolve(t.Context(), unit, policy.Options{Roots: roots})
		if err != nil {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		reference, err := blob.Inspect(compiled)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n++
		var want, got []flat
		for _, p := range reference.Profiles() {
			f := flat{
				Name: p.Name, Hat: p.Hat, Mode: p.Mode, Audit: p.Audit, PathFlags: p.PathFlags, HasPathFlags: p.HasPathFlags,
				Attaches: p.XMatch != nil, Disconnected: p.Disconnected, Rlimits: map[string]uint64{},
			}
			for i, name := range rlimitNumbers {
				if p.RlimitMask&(1<<i) != 0 {
					f.Rlimits[name] = p.Rlimits[i]
				}
			}
			want = append(want, f)
		}
		for _, p := range set.Profiles {
			f := flat{
				Name: p.Name, Hat: p.Hat, Mode: blob.Mode(min(p.Flags.Mode, policy.PromptMode)), Audit: p.Flags.Audit,
				HasPathFlags: p.Flags.PathWords, Attaches: p.Attachment != "", Disconnected: p.Flags.DisconnectedPath, Rlimits: map[string]uint64{},
			}
			if p.Flags.Mode == policy.DefaultAllow {
				f.Mode = blob.Mode(policy.Unconfined)
			}
			for bit, on := range map[blob.PathFlags]bool{
				blob.PathAttachDisconnected: p.Flags.AttachDisconnected, blob.PathAttachDisconnectedIPC: p.Flags.AttachDisconnectedIPC,
				blob.PathChrootRelative: p.Flags.ChrootRelative, blob.PathChrootAttach: p.Flags.ChrootAttach,
				blob.PathMediateDeleted: p.Flags.MediateDeleted,
			} {
				if on {
					f.PathFlags |= bit
				}
			}
			for _, l := range p.Rlimits {
				f.Rlimits[l.Name] = l.Value
			}
			got = append(got, f)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	t.Logf("%d files", n)
	if n == 0 {
		t.Error("nothing was compared")
	}
}
