// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	. "github.com/goarmor/apparmor/query"
)

func texts(found []Difference) []string {
	var all []string
	for _, d := range found {
		all = append(all, d.String())
	}
	return all
}

// TestDiff compares profiles that differ in one rule.
func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       []string
	}{
		{"nothing", "/a r, signal,", "/{a,a} r, signal receive, signal send,", nil},
		{"file", "/a r,", "/a rw,",
			[]string{"t: file write|append|create|delete|setattr|chmod|chown /a: denied write|append|create|delete|setattr|chmod|chown | allowed"}},
		{"owner", "/a r,", "/a r, owner /b/* r,", []string{"t: file read|open /b/a (owner): denied read|open | allowed"}},
		{"exec", "/a ix,", "/a px,", []string{"t: file exec|mmap /a: allowed, ix | denied mmap"}},
		{"audit", "/a r,", "audit /a r,", []string{"t: file read|open|getattr /a: allowed | allowed, audited"}},
		{"link", "/a l, /a r,", "link /a -> /b, /a r,", []string{
			"t: link /a -> /a: allowed | denied",
			"t: link /a -> /b (owner): denied, link is not a subset of its target | allowed",
			"t: link /a -> /c: allowed | denied"}},
		{"capability", "/a r,", "/a r, capability kill,", []string{"t: capability kill: denied | allowed"}},
		{"change", "/a r, change_profile -> a,", "/a r, change_profile -> b,", []string{
			"t: change_profile -> a: allowed | denied change_profile",
			"t: change_profile -> b: denied change_profile | allowed",
			"t: change_profile on exec of /a -> a: allowed | denied onexec",
			"t: change_profile on exec of /a -> b: denied onexec | allowed",
			"t: change_profile on exec -> a//&/a: allowed | denied onexec",
			"t: change_profile on exec -> b//&/a: denied onexec | allowed",
		}},
		{"signal", "signal send set=term peer=x,", "signal send set=(term kill) peer=x,", []string{"t: signal send kill peer=x: denied send | allowed"}},
		{"ptrace", "ptrace read peer=x,", "ptrace (read trace) peer=x,", []string{"t: ptrace trace peer=x: denied trace | allowed"}},
		{"network", "network inet stream,", "network inet stream, network netlink raw,", []string{
			"t: network netlink raw write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt: " +
				"denied write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt | allowed",
		}},
		{"mount", "umount /a/, mount options=ro /s -> /t/,", "umount /b/, mount /s -> /u/, pivot_root /x/,", []string{
			"t: umount /a/: allowed | denied", "t: umount /b/: denied | allowed",
			"t: pivot_root / -> /x/: denied | allowed",
			"t: mount fstype= flags=0x0 /s -> /u/: denied | allowed",
			"t: mount fstype= flags=0x1 /s -> /t/: allowed | denied",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := profile(t, reference(t, "6.12", "profile t {"+tt.a+"\n}"), "t")
			b := profile(t, reference(t, "6.12", "profile t {"+tt.b+"\n}"), "t")
			found, err := a.Diff(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(found)); diff != "" {
				t.Error(diff)
			}
			if equal, err := a.Equal(context.Background(), b); err != nil || equal != (len(tt.want) == 0) {
				t.Errorf("Equal is %v, %v", equal, err)
			}
			for _, d := range found {
				if d.Request != nil && d.AnswerA == d.AnswerB {
					t.Errorf("%v: no difference", d)
				}
			}
		})
	}
}

// TestWitnessClasses finds the request that asks for a string of every class.
func TestWitnessClasses(t *testing.T) {
	const unix = "\x0f\x00\x01\x00\x01\x00\x00"
	for _, tt := range []struct {
		in    string
		allow uint32
		want  string
	}{
		{"\x0f\x00\x02\x00\x01", 0x10, "p: network inet stream: denied create | allowed"},
		{"\x0f\x00\x02\x00\x01", blob.PermBind, "p: network inet stream bind: denied bind | allowed"},
		{unix, 0x10, "p: unix create stream: denied create | allowed"},
		{unix + "\x00name\x00\x00", blob.PermBind, "p: unix bind stream addr=@name: denied bind | allowed"},
		{unix + "\x00\x00", blob.PermBind, "p: unix bind stream addr=auto: denied bind | allowed"},
		{unix + "\x01\x00\x00\x02\x00\x05", blob.PermListen, "p: unix listen stream addr=none: denied listen | allowed"},
		{unix + "\x01\x00\x00\x04\x00\x07", blob.PermSetopt, "p: unix setopt stream addr=none: denied setopt | allowed"},
		{unix + "\x01\x00\x00\x01\x00peer\x00lp", 0x42, "p: unix write|open stream addr=none peer addr=@peer peer label=lp: denied write|open | allowed"},
		{unix + "\x01\x00\x00\x01", 0x2, ""}, // no request
		{"\x15", 0x8, "p: userns create: denied | allowed"},
		{"\x16", 0x10, "p: io_uring sqpoll: denied | allowed"},
		{"\x16label", 0x8, "p: io_uring override_creds label=label: denied | allowed"},
		{"\x20system\x00n\x00l\x00/\x00i\x00m", 4, "p: dbus receive bus=system name=n label=l path=/ interface=i member=m: denied receive | allowed"},
		{"\x20session\x00n", 0x40, "p: dbus bind bus=session name=n: denied | allowed"},
		{"\x20system", 0x20, "p: dbus eavesdrop bus=system: denied | allowed"},
		{"\x0a\x83x", 2, "p: signal send rtmin+3 peer=x: denied send | allowed"},
		{"\x10\x09x", 4, "p: ptrace read peer=x: denied read | allowed"},
		{"\x07/m/\x00s\x00ext4\x00\x01", 2, "p: mount fstype=ext4 flags=0x1 s -> /m/: denied | allowed"},
		{"\x07/m/\x00\x00\x00\x12\x13", 2, "p: mount fstype= flags=0x60000  -> /m/: denied | allowed"},
		{"\x07/m/\x00\x00\x00\x13\x12", 2, ""}, // flags in no order of theirs
		{"\x07/m/", 4, "p: umount /m/: denied | allowed"},
		{"\x07/n/\x00/o/", 1, "p: pivot_root /o/ -> /n/: denied | allowed"},
		{"\x11/q", 4, "p: mqueue read /q: denied read | allowed"},
		{"\x11/q\x00l", 4, "p: mqueue read /q label=l: denied read | allowed"},
		{"\x12\x00\x00\x01\x00", 4, "p: mqueue read 256: denied read | allowed"},
		{"\x12\x00\x00\x00\x07l", 4, "p: mqueue read 7 label=l: denied read | allowed"},
	} {
		// Both mediate every class: longer strings say so.
		side := func(extra string, allow uint32) *Profile {
			grants := map[string]blob.Perm{"\x09~": {}}
			for _, c := range "\x07\x0a\x0f\x10\x11\x12\x15\x16\x20" {
				grants[string(c)+"~~"] = blob.Perm{Allow: 1 << 27}
			}
			if extra != "" {
				grants[extra] = blob.Perm{Allow: allow}
			}
			return profile(t, open(t, &blob.Profile{Name: "p", Policydb: trie(grants)}), "p")
		}
		found, err := side("", 0).Diff(context.Background(), side(tt.in, tt.allow))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, strings.Join(texts(found), "; ")); diff != "" {
			t.Errorf("%q: %s", tt.in, diff)
		}
	}
}
