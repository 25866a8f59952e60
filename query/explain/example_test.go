// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// A service may not write a file below its own directory: an abstraction that
// its profile includes denies it.
func Example() {
	ctx := context.Background()
	kernel, err := features.Parse([]byte("file {mask {create read write exec}\n}\npolicy {versions {v7 {yes}\n}\n}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	config := parser.Config{Roots: []fs.FS{fstest.MapFS{
		"abstractions/no-secrets": {Data: []byte("# for every service\ndeny /srv/*/secret rw,\n")},
	}}}
	unit, err := config.ParseTree(ctx, "web", `
profile web /usr/bin/web {
  include <abstractions/no-secrets>
  /srv/web/** rw,
}
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Default: kernel})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := explain.Open(ctx, set, compile.Options{Kernel: kernel})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := p.Explain(ctx, "web", query.File{Path: "/srv/web/secret", Perms: query.Write})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(e)
	// Output:
	// file write /srv/web/secret: denied write, quiet
	//   abstractions/no-secrets:2:1: deny /srv/*/secret rw, decides
	//     included at web:3:3
	//   web:4:3: /srv/web/** rw, overridden by abstractions/no-secrets:2:1: deny beats allow
}
