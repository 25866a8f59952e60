// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"fmt"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
)

// TestInstances loads policy that was made of a base, and asks the kernel what
// it makes of it.
func TestInstances(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	features, err := k.Features(ctx)
	if err != nil {
		t.Fatal(err)
	}
	root := svirt.PolicyFS()
	config := parser.Config{}
	config.Roots = append(config.Roots, root)
	unit, err := config.ParseTree(ctx, "machine", `
include <tunables/global>
profile machine flags=(attach_disconnected) {
  include <abstractions/libvirt-qemu>
  /usr/bin/helper Cx -> helper,
  profile helper { /etc/passwd r, }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Roots: config.Roots, Kernel: features, Default: features})
	if err != nil {
		t.Fatal(err)
	}
	base, err := compile.NewBase(ctx, set, compile.Options{Kernel: features, Degrade: compile.Report})
	if err != nil {
		t.Fatal(err)
	}
	const rwk = ast.FileRead | ast.FileWrite | ast.FileLock
	deny := ast.Qualifiers{Access: ast.Deny}
	many := []ast.Rule{}
	paths := map[string][]string{}
	for i := range 500 {
		path := fmt.Sprintf("/srv/machines/%d/disk-%03d.img", i%7, i)
		many = append(many, &ast.FileRule{Path: ast.Pattern(path), Perms: rwk})
		paths["machine-many"] = append(paths["machine-many"], path, path+"x")
	}
	for _, d := range []struct {
		name  string
		whole bool
		rules []ast.Rule
	}{
		{"machine", false, nil},
		{"machine-none", false, nil},
		{"machine-many", false, many},
		{"machine-mixed", false, []ast.Rule{
			&ast.FileRule{Path: "/var/log/libvirt/**/vm.log", Perms: ast.FileWrite},
			&ast.FileRule{Path: "/dev/shm/*", Perms: rwk, Qualifiers: ast.Qualifiers{Owner: ast.OnlyOwner}},
			&ast.FileRule{Path: "/etc/hosts", Perms: ast.FileRead, Qualifiers: deny},
			&ast.FileRule{Path: "/usr/share/**", Perms: ast.FileRead | ast.FileWrite, Qualifiers: ast.Qualifiers{Audit: true}},
			&ast.FileRule{Path: "/usr/bin/other", Exec: ast.ExecProfile, Target: "elsewhere"},
			&ast.FileRule{Path: "/usr/bin/third", Exec: ast.ExecChild, Target: "helper"},
			&ast.SignalRule{Perms: ast.SignalSend, Signals: []string{"term"}, Peer: "machine-*"},
			&ast.PtraceRule{Peer: "machine-mixed"},
			&ast.UnixRule{Peer: ast.UnixEnd{Label: "machine-mixed"}},
			&ast.NetworkRule{Family: "inet", Type: "stream"},
			&ast.NetworkRule{Family: "inet6", Qualifiers: deny},
			&ast.DBusRule{Bus: "system", Path: "/org/**"},
			&ast.MountRule{Source: "/srv/**", Target: "/mnt/", Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro", "bind"}}}},
			&ast.CapabilityRule{Names: []string{"sys_nice"}},
		}},
		{"machine-prior", false, []ast.Rule{
			&ast.FileRule{Path: "/usr/**", Perms: ast.FileRead, Qualifiers: ast.Qualifiers{Access: ast.Deny, Priority: 1}},
			&ast.FileRule{Path: "/usr/lib/x", Perms: ast.FileRead, Qualifiers: ast.Qualifiers{Priority: 2}},
		}},
	} {
		t.Run(d.name, func(t *testing.T) {
			var own policy.Profile
			if err := own.Add(d.rules...); err != nil {
				t.Fatal(err)
			}
			i, err := base.Instantiate(ctx, &compile.Delta{Name: d.name, Rules: own.Rules})
			if err != nil {
				t.Fatal(err)
			}
			if i.Whole != "" {
				t.Errorf("compiled as a whole: %s", i.Whole)
			}
			load(t, k, i.Policy)
			checkAccess(t, k, i.Policy.Profiles(), paths, 60)
		})
	}
}
