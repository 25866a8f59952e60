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

func TestCovers(t *testing.T) {
	const body = `
  /etc/** r, owner /home/** rw, /bin/a ix, capability kill, network inet,
  signal send peer=x, ptrace read peer=x, mount fstype=ext4 -> /mnt/,
`
	tests := []struct {
		name  string
		a, b  string // bodies
		flags string // of b
		want  []string
	}{
		{name: "itself", a: body, b: body},
		{name: "less", a: body, b: "/etc/passwd r,"},
		{name: "nothing", a: body, b: ""},
		{name: "audit", a: body, b: body + "audit /etc/passwd r, deny /etc/shadow r,"},
		{name: "denied", a: body + "deny /etc/a r,", b: body,
			want: []string{"t: file read|open /etc/a: denied read|open, quiet | allowed"}},
		{name: "write", a: body, b: body + "/etc/a w,",
			want: []string{"t: file write|append|create|delete|setattr|chmod|chown /etc/a: denied write|append|create|delete|setattr|chmod|chown | allowed"}},
		{name: "owner", a: body, b: body + "/home/a r,",
			want: []string{"t: file read|open /home/a: denied read|open | allowed"}},
		{name: "exec", a: body, b: "/bin/a Px,",
			want: []string{"t: file exec /bin/a: allowed, ix | allowed, Px"}},
		{name: "capability", a: body, b: "capability chown, capability kill,",
			want: []string{"t: capability chown: denied | allowed"}},
		{name: "mode", a: body, b: body, flags: "flags=(complain)", want: []string{"t: mode: enforce | complain"}},
		{name: "network", a: body, b: "network inet6 raw,",
			want: []string{"t: network inet6 raw write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt: denied write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt | allowed"}},
		{name: "signal", a: body, b: "signal send set=kill peer=y,",
			want: []string{"t: signal send kill peer=y: denied send | allowed"}},
		{name: "ptrace", a: body, b: "ptrace trace peer=x,",
			want: []string{"t: ptrace trace peer=x: denied trace | allowed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := profile(t, reference(t, "6.12", "profile t {"+tt.a+"\n}"), "t")
			b := profile(t, reference(t, "6.12", "profile t "+tt.flags+" {"+tt.b+"\n}"), "t")
			gaps, err := a.Covers(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range gaps {
				got = append(got, g.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCoversMediation compares profiles that mediate different classes.
func TestCoversMediation(t *testing.T) {
	db := func(strs ...string) *Profile {
		grants := map[string]blob.Perm{}
		for _, s := range strs {
			grants[s] = blob.Perm{Allow: 0x18}
		}
		return profile(t, open(t, &blob.Profile{Name: "p", Policydb: trie(grants)}), "p")
	}
	none := profile(t, open(t, &blob.Profile{Name: "p"}), "p")
	for _, tt := range []struct {
		name string
		a, b *Profile
		want string
	}{
		{"nothing and nothing", none, none, ""},
		{"nothing covers all but files", none, db("\x07x", "\x0f\x00\x02\x00\x01"), ""},
		{"mount is mediated by one", db("\x07x"), none, "p: umount /: denied | not mediated; p: pivot_root / -> /: denied | not mediated; " +
			"p: mount fstype= flags=0x0  -> /: denied | not mediated"},
		{"a class without a request", db("\x07x"), db("\x07y"), ""},
		{"networks of two classes", db("\x0f\x00\x02\x00\x01"), db("\x0e\x00\x02\x00\x01"), ""},
		{"more in the older one", db("\x0f\x00\x02\x00\x01"), db("\x0e\x00\x02\x00\x03"), "p: network inet raw: denied create | allowed"},
		{"more in the newer one", db("\x0e\x00\x02\x00\x01"), db("\x0f\x00\x02\x00\x03"), "p: network inet raw: denied create | allowed"},
		{"older network is not looked at", db("\x0f\x00\x02"), db("\x0f\x00\x02", "\x0e\x00\x03"), ""},
		{"userns", db("\x15"), db("\x15x"), ""},
		{"userns the other way", db("\x15x"), db("\x15"), "p: userns create: denied | allowed"},
		{"buses without networks", db("\x20x"), none, ""},
		{"buses with networks", db("\x20x", "\x0f\x00\x02\x00\x01"), db("\x0f\x00\x02\x00\x01"), "p: dbus eavesdrop bus=a: denied | not mediated; " +
			"p: dbus bind bus=a: denied | not mediated; p: dbus send bus=a: denied send | not mediated"},
		{"networks make buses mediated", db("\x20x"), db("\x20x", "\x0f\x00\x02\x00\x01"), ""},
	} {
		gaps, err := tt.a.Covers(context.Background(), tt.b)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range gaps {
			got = append(got, g.String())
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
}
