// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"fmt"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// build compiles a policy for Linux 6.12.
func build(text string) (*query.Policy, error) {
	ctx := context.Background()
	kernel, ok := features.Kernel("6.12")
	if !ok {
		return nil, fmt.Errorf("no features of this kernel")
	}
	unit, err := (&parser.Config{}).ParseTree(ctx, "policy", text)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Default: kernel})
	if err != nil {
		return nil, err
	}
	out, err := compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: compile.Report})
	if err != nil {
		return nil, err
	}
	return query.Open(out.Policy), nil
}

// May this virtual machine write to that disk?
func ExampleProfile_Ask() {
	p, err := build(`
profile vm-1 {
  /srv/images/vm-1.qcow2 rwk,
  deny /srv/images/base.qcow2 w,
  /srv/images/base.qcow2 rk,
}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	vm, _ := p.Profile("vm-1")
	for _, disk := range []string{"vm-1", "vm-2", "base"} {
		r := query.File{Path: "/srv/images/" + disk + ".qcow2", Perms: query.Read | query.Write}
		d, err := vm.Ask(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: %v\n", r, d)
	}
	// Output:
	// file write|read /srv/images/vm-1.qcow2: allowed
	// file write|read /srv/images/vm-2.qcow2: denied write|read
	// file write|read /srv/images/base.qcow2: denied write, quiet
}

// What changes when this policy is loaded in place of the one before?
func ExamplePolicy_Diff() {
	before, err := build("profile web { /srv/www/** r, network inet stream, }")
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := build("profile web { /srv/www/** r, /srv/www/log rw, capability net_bind_service, network inet stream, }")
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := before.Diff(context.Background(), after)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range found {
		fmt.Println(d)
	}
	// Output:
	// web: capability net_bind_service: denied | allowed
	// web: file write|append|create|delete|setattr|chmod|chown /srv/www/log: denied write|append|create|delete|setattr|chmod|chown | allowed
}

// Does a tenant's profile stay within what the operator grants?
func ExampleProfile_Covers() {
	p, err := build(`
profile operator { /srv/tenant/** rw, signal send peer=tenant-*, }
profile tenant { /srv/tenant/a/** rw, /srv/** r, signal send set=(term) peer=tenant-a, }`)
	if err != nil {
		fmt.Println(err)
		return
	}
	operator, _ := p.Profile("operator")
	tenant, _ := p.Profile("tenant")
	gaps, err := operator.Covers(context.Background(), tenant)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range gaps {
		fmt.Println(g.Request)
	}
	// Output: file read|open /srv/a
}

// Which profile does a program run under, and where does it go on?
func ExamplePolicy_Attachment() {
	p, err := build(`
profile shell /bin/{,ba}sh { /usr/bin/* Px, /usr/bin/vim Cx -> editor, profile editor { } }
profile tools /usr/bin/[a-z]* { }
profile make /usr/bin/make { }`)
	if err != nil {
		fmt.Println(err)
		return
	}
	shell, err := p.Attachment("/bin/bash")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/usr/bin/make", "/usr/bin/vim", "/usr/bin/sort"} {
		d, err := shell.Ask(query.Execute{Path: path})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(path, "runs under", d.Label)
	}
	// Output:
	// /usr/bin/make runs under make
	// /usr/bin/vim runs under shell//editor
	// /usr/bin/sort runs under tools
}
