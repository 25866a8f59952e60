// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	. "github.com/goarmor/apparmor/query"
)

// compiled returns the profile t of a policy for a kernel.
func compiled(tb testing.TB, kernel, flags, rules string) *Profile {
	tb.Helper()
	text := "abi <kernel>,\nprofile t " + flags + " {" + rules + "\n}"
	out, err := compile.Text(context.Background(), "t", text, compile.Source{Kernel: featureSet(tb, kernel)})
	if err != nil {
		tb.Fatal(err)
	}
	return profile(tb, Open(out.Policy), "t")
}

func TestPassingRefused(t *testing.T) {
	const writes = Write | Append | Create | Delete
	for _, tt := range []struct {
		name, flags, rules string
		set                string
		class              blob.Class
		perms              Perms
		exec               bool
		passing, refused   string
	}{
		{name: "all pass", rules: "/etc/** r,", set: "/etc/ssl/** r,", class: blob.ClassFile, perms: Read | MayOpen,
			passing: "file read|open /etc/ssl/a: allowed"},
		{name: "none passes", rules: "/etc/ssl/** r,", set: "/etc/ssl/** w,", class: blob.ClassFile, perms: writes,
			refused: "file write|append|create|delete /etc/ssl/a: denied write|append|create|delete"},
		{name: "one of many", rules: "/etc/** r, deny /etc/ssl/private/key r,", set: "/etc/ssl/** r,", class: blob.ClassFile, perms: Read,
			passing: "file read /etc/ssl/a: allowed",
			refused: "file read /etc/ssl/private/key: denied read, quiet"},
		{name: "owner", rules: "owner /home/** r,", set: "/home/** r,", class: blob.ClassFile, perms: Read,
			passing: "file read /home/a (owner): allowed", refused: "file read /home/a: denied read"},
		{name: "a set of owners", rules: "owner /home/** r,", set: "owner /home/** r,", class: blob.ClassFile, perms: Read,
			passing: "file read /home/a (owner): allowed"},
		{name: "attributes do not matter", rules: "/b r,", set: "/a r,", class: blob.ClassFile, perms: Read,
			refused: "file read /a: denied read"},
		{name: "any transition", rules: "/bin/a px, profile c {}", set: "/bin/a ix,", class: blob.ClassFile, perms: Exec,
			passing: "file exec /bin/a: allowed, px"},
		{name: "one transition", rules: "/bin/a px, /bin/b ix,", set: "/bin/* ix,", class: blob.ClassFile, perms: Exec, exec: true,
			passing: "file exec /bin/b: allowed, ix", refused: "file exec /bin/a: allowed, px; file exec /bin/c: denied exec"},
		{name: "complain", flags: "flags=(complain)", rules: "deny /etc/a r,", set: "/etc/* r,", class: blob.ClassFile, perms: Read,
			passing: "file read /etc/b: denied read", refused: "file read /etc/a: denied read, quiet"},
		{name: "unconfined", flags: "flags=(unconfined)", set: "/etc/* r,", class: blob.ClassFile, perms: Read,
			passing: "file read /etc/a: denied read"},
		{name: "capability", rules: "capability kill,", set: "capability kill, capability chown,", class: blob.ClassCap,
			passing: "capability kill: allowed", refused: "capability chown: denied"},
		{name: "the class only", rules: "network inet stream, /etc/** w,", set: "network inet stream, /etc/** r,", class: blob.ClassNet, perms: Create,
			passing: "network inet stream: allowed"},
		{name: "links", rules: "/a rl, /b r,", set: "link /a -> /*,", class: blob.ClassFile, perms: Perms(blob.PermLink),
			passing: "link /a -> /a: allowed; link /a -> /c: allowed",
			refused: "link /a -> /c (owner): denied, link is not a subset of its target"},
		{name: "signals", rules: "signal send set=term peer=x,", set: "signal send set=(term kill) peer=x,", class: blob.ClassSignal,
			passing: "signal send term peer=x: allowed", refused: "signal send kill peer=x: denied send"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compiled(t, "6.12", tt.flags, tt.rules)
			set := Requests{By: compiled(t, "6.12", "", tt.set), Class: tt.class, Perms: tt.perms, Exec: tt.exec}
			passing, err := p.Passing(context.Background(), set)
			if err != nil {
				t.Fatal(err)
			}
			refused, err := p.Refused(context.Background(), set)
			if err != nil {
				t.Fatal(err)
			}
			got := func(all []Difference) string {
				var s []string
				for _, d := range all {
					s = append(s, d.Request.String()+": "+d.AnswerA.String())
				}
				return strings.Join(s, "; ")
			}
			if diff := cmp.Diff([]string{tt.passing, tt.refused}, []string{got(passing), got(refused)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRequestsErrors asks for what is not a set.
func TestRequestsErrors(t *testing.T) {
	p := compiled(t, "6.1", "", "/a r,")
	for _, class := range []blob.Class{blob.ClassNetV9, blob.ClassIOUring, blob.ClassRlimits, 0} {
		if found, err := p.Passing(context.Background(), Requests{By: p, Class: class}); !errors.Is(err, ErrRequests) || found != nil {
			t.Errorf("class %v: %v, %v", class, found, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Refused(ctx, Requests{By: p, Class: blob.ClassFile}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}
