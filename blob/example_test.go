// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"context"
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// binary compiles a profile of one rule. What a program has read from a file
// serves as well.
func binary(rule ast.Rule) ([]byte, error) {
	kernel, _ := features.Kernel("6.12")
	set := &policy.Set{Profiles: []*policy.Profile{{Name: "man", Rules: []policy.Rule{{Rule: rule}}}}}
	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: kernel})
	if err != nil {
		return nil, err
	}
	return out.Policy.Bytes(), nil
}

// Binary policy is decoded, verified with the checks of the kernel, and asked.
func ExampleInspect() {
	data, err := binary(&ast.FileRule{Path: "/etc/*.conf", Perms: ast.FileRead})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := blob.Inspect(data)
	if err != nil {
		fmt.Println(err) // errors.As(err, &formatError): what is wrong, and where
		return
	}
	file := p.Profile("man")
	for _, path := range []string{"/etc/man.conf", "/etc/shadow"} {
		state := file.File.DFA.MatchString(blob.StartState, path)
		fmt.Println(path, file.FilePerms(state, false).Allow&blob.PermRead != 0)
	}
	_, err = blob.Inspect(data[:len(data)/2])
	fmt.Println("half of it is refused:", err != nil)
	// Output:
	// /etc/man.conf true
	// /etc/shadow false
	// half of it is refused: true
}

// Two binaries are compared by what they mean, with a shortest input to which
// they answer differently.
func ExampleDiffPolicy() {
	var policies [2]*blob.Policy
	for i, perms := range []ast.FilePerm{ast.FileRead, ast.FileRead | ast.FileWrite} {
		data, err := binary(&ast.FileRule{Path: "/run/man", Perms: perms})
		if err != nil {
			fmt.Println(err)
			return
		}
		if policies[i], err = blob.Inspect(data); err != nil {
			fmt.Println(err)
			return
		}
	}
	differences, err := blob.DiffPolicy(policies[0], policies[1], blob.DiffOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range differences {
		fmt.Printf("%s %s: write %v, then %v\n", d.Part, d.Input, d.A.Allow&blob.PermWrite != 0, d.B.Allow&blob.PermWrite != 0)
	}
	// Output: file "/run/man": write false, then true
}
