// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

func ExampleResolve() {
	const text = `abi <abi/4.0>,
@{data} = /srv/data/ /opt/data

profile server /usr/bin/server flags=(complain) {
  @{data}/** r,
  audit deny { @{data}/secret/ rw, }
  ^worker { signal peer=@{profile_name}, }
}
`
	file, err := parser.Parse("server", text)
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := policy.Resolve(context.Background(), &ast.Unit{Main: file}, policy.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range set.Profiles {
		fmt.Printf("%s (%s)\n", p.FullName(), p.Attachment)
		for _, r := range p.Rules {
			switch rule := r.Rule.(type) {
			case *ast.FileRule:
				fmt.Println(" ", rule.Path, rule.Access == ast.Deny, "line", r.Origin.Position().Line)
			case *ast.SignalRule:
				fmt.Println("  signal", rule.Peer)
			}
		}
	}
	// Output:
	// server (/usr/bin/server)
	//   {/opt/data,/srv/data}/** false line 5
	//   {/opt/data,/srv/data}/secret/ true line 6
	// server//worker ()
	//   signal server//worker
}

func ExampleProfile_Add() {
	disk, err := ast.Literal("/srv/images/disk {1}.qcow2")
	if err != nil {
		fmt.Println(err)
		return
	}
	p := &policy.Profile{Name: "libvirt-vm", Flags: policy.Flags{AttachDisconnected: true, PathWords: true}}
	err = p.Add(
		&ast.FileRule{Path: disk, Perms: ast.FileRead | ast.FileWrite | ast.FileLock},
		&ast.CapabilityRule{Names: []string{"net_admn"}},
	)
	fmt.Println(err, len(p.Rules))
	// Output: unknown capability "net_admn" (at "net_admn"); did you mean "net_admin"? 0
}
