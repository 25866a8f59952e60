// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// A profile made of values is compiled for a kernel that mediates no D-Bus.
func Example() {
	kernel, err := features.Parse([]byte("file {mask {create read write exec}\n}\npolicy {versions {v7 {yes}\n}\n}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	set := &policy.Set{Profiles: []*policy.Profile{{
		Name:       "worker",
		Attachment: "/usr/bin/worker",
		Rules: []policy.Rule{
			{Rule: &ast.FileRule{Path: "/var/lib/worker/**", Perms: ast.FileRead | ast.FileWrite}},
			{Rule: &ast.DBusRule{Bus: "system"}},
		},
	}}}

	var findings diag.List
	if _, err = compile.Compile(context.Background(), set, compile.Options{Kernel: kernel}); errors.As(err, &findings) {
		for _, f := range findings {
			fmt.Println(f.Code, "-", f.Message)
		}
	}

	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range out.Degraded {
		fmt.Println("left out:", d.What)
	}
	fmt.Println(out.Policy.Names(), out.Stats[0].File.States, "states")
	// Output:
	// not-enforceable - dbus rules cannot be enforced
	// left out: dbus rules
	// [worker] 19 states
}

// A text with an include becomes policy in one call.
func ExampleText() {
	kernel, _ := features.Kernel("6.12")
	out, err := compile.Text(context.Background(), "web", `
abi <abi/4.0>,
profile web {
  include <abstractions/web>
  deny /srv/www/private/** r,
}
`, compile.Source{
		Kernel: kernel,
		Roots:  []fs.FS{fstest.MapFS{"abstractions/web": {Data: []byte("/srv/www/** r,\n")}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Policy.Names(), len(out.Degraded), "rules are not enforced")
	// Output:
	// [web] 0 rules are not enforced
}

// A base is compiled once; each machine's profile is made of it.
func ExampleBase() {
	kernel, ok := features.Kernel("6.12")
	if !ok {
		return
	}
	set := &policy.Set{Profiles: []*policy.Profile{{
		Name:  "machine",
		Rules: []policy.Rule{{Rule: &ast.FileRule{Path: "/usr/lib/**", Perms: ast.FileRead | ast.FileMmap}}},
	}}}
	ctx := context.Background()
	base, err := compile.NewBase(ctx, set, compile.Options{Kernel: kernel})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"web", "mail"} {
		var own policy.Profile // which checks rules that are added to it
		if err := own.Add(&ast.FileRule{Path: ast.Pattern("/srv/" + name + ".img"), Perms: ast.FileRead | ast.FileWrite}); err != nil {
			fmt.Println(err)
			return
		}
		i, err := base.Instantiate(ctx, &compile.Delta{Name: "machine-" + name, Rules: own.Rules})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(i.Policy.Names(), i.Stats[0].File.States-base.Output().Stats[0].File.States, "states more")
	}
	// Output:
	// [machine-web] 12 states more
	// [machine-mail] 13 states more
}
