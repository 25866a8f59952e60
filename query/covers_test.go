package query_test

import (
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
			want: []string{`t: file after "/etc/a": allow getattr (0x200) | allow read|open|getattr (0x244)`}},
		{name: "write", a: body, b: body + "/etc/a w,",
			want: []string{`t: file after "/etc/a": allow read|open|getattr (0x244) | allow write|read|append|create|delete|open|setattr|getattr|chmod|chown (0x337e)`}},
		{name: "owner", a: body, b: body + "/home/a r,",
			want: []string{`t: file after "/home/a" (other): allow getattr (0x200) | allow read|open|getattr (0x244)`}},
		{name: "exec", a: body, b: "/bin/a Px,",
			want: []string{`t: file after "/bin/a": allow exec|getattr|mmap (0x10201); exec ix | allow exec|getattr (0x201); exec Px`}},
		{name: "capability", a: body, b: "capability chown, capability kill,",
			want: []string{"t: capabilities: kill | chown kill"}},
		{name: "mode", a: body, b: body, flags: "flags=(complain)", want: []string{"t: mode: enforce | complain"}},
		{name: "network", a: body, b: "network inet6 raw,",
			want: []string{`t: policydb after "\x0e\x00\x0a\x00\x03": nothing | allow write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt (0x3700376)`}},
		{name: "signal", a: body, b: "signal send set=kill peer=y,",
			want: []string{`t: policydb after "\x0a\x09y": nothing | allow write (0x2)`}},
		{name: "ptrace", a: body, b: "ptrace trace peer=x,",
			want: []string{`t: policydb after "\x10\x09x": allow read (0x4) | allow write (0x2)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := profile(t, compile(t, "6.12.107", "profile t {"+tt.a+"\n}"), "t")
			b := profile(t, compile(t, "6.12.107", "profile t "+tt.flags+" {"+tt.b+"\n}"), "t")
			gaps, err := Covers(a, b)
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
		{"mount is mediated by one", db("\x07x"), none, "p: class mount: mediated | not mediated"},
		{"newer network", db("\x0f\x00\x02"), db("\x0e\x00\x02"), "p: class network v9: mediated | not mediated"},
		{"older network", db("\x0e\x00\x02"), db("\x0f\x00\x02"), "p: class network v9: not mediated | mediated"},
		{"older network is not looked at", db("\x0f\x00\x02"), db("\x0f\x00\x02", "\x0e\x00\x03"), ""},
		{"userns", db("\x15"), db("\x15x"), ""},
		{"userns the other way", db("\x15x"), db("\x15"), `p: policydb after "\x15": nothing | allow append|create (0x18)`},
	} {
		gaps, err := Covers(tt.a, tt.b)
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
