// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"fmt"
	"log"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// A rule for a path that comes from somewhere else: whatever is in it stays a
// path.
func ExampleAppend() {
	path, err := ast.Literal("/srv/[vm 1]/disk, \"new\".img")
	if err != nil {
		log.Fatal(err)
	}
	text, err := render.Append(nil, &ast.FileRule{Path: path, Perms: ast.FileRead | ast.FileWrite | ast.FileLock})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output: "/srv/\[vm 1\]/disk\, \"new\".img" rwk,
}

// A distribution's profile gets a rule; all else in the file stays as it is.
func ExampleEditor() {
	const src = `
# Last changed on Monday
profile ping /usr/bin/ping {
  /etc/hosts   r,  # names
}
`
	f, err := parser.Parse("ping", src)
	if err != nil {
		log.Fatal(err)
	}
	edit := render.NewEditor(f)
	if err := edit.Append(f.Stmts[0], &ast.CapabilityRule{Names: []string{"net_raw"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(edit.Bytes()))
	// Output:
	// # Last changed on Monday
	// profile ping /usr/bin/ping {
	//   /etc/hosts   r,  # names
	//   capability net_raw,
	// }
}

// A rule is exchanged and another one removed together with what is said about
// it. The rest, down to the blanks, is as it was.
func ExampleEditor_Replace() {
	const src = `profile ping /usr/bin/ping {
	capability net_raw, capability setuid,  # both
	# names
	# (of hosts)
	/etc/hosts   r,
	/etc/networks   r,
}
`
	f, err := parser.Parse("ping", src)
	if err != nil {
		log.Fatal(err)
	}
	edit := render.NewEditor(f)
	for _, s := range f.Stmts[0].(*ast.Profile).Body {
		switch s := s.(type) {
		case *ast.CapabilityRule:
			if s.Names[0] != "setuid" {
				continue
			}
			changed := *s
			changed.Qualifiers = ast.Qualifiers{Access: ast.Deny}
			if err := edit.Replace(s, &changed); err != nil {
				log.Fatal(err)
			}
		case *ast.FileRule:
			if s.Path != "/etc/hosts" {
				continue
			}
			for _, c := range edit.CommentsOn(s) {
				if err := edit.Remove(c); err != nil {
					log.Fatal(err)
				}
			}
			if err := edit.Remove(s); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println(string(edit.Bytes()))
	// Output:
	// profile ping /usr/bin/ping {
	// 	capability net_raw, deny capability setuid,  # both
	// 	/etc/networks   r,
	// }
}

// Comments are places like statements are.
func ExampleEditor_Comments() {
	const src = "# Vim:syntax=apparmor\n\nprofile ping { # old\n}\n"
	f, err := parser.Parse("ping", src)
	if err != nil {
		log.Fatal(err)
	}
	edit := render.NewEditor(f)
	comments := edit.Comments()
	if err := edit.InsertAfter(comments[0], &ast.Comment{Text: "Made by hand"}, &ast.Include{Path: "tunables/global"}); err != nil {
		log.Fatal(err)
	}
	if err := edit.Replace(comments[1], &ast.Comment{Text: "new"}); err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(edit.Bytes()))
	// Output:
	// # Vim:syntax=apparmor
	// # Made by hand
	// include <tunables/global>
	//
	// profile ping { # new
	// }
}

func ExampleFormat() {
	const src = "profile ping {   # sends packets\n\n\ncapability   net_raw ,\n\"/etc/hosts\" r, /etc/networks   r,}\n"
	f, err := parser.Parse("ping", src)
	if err != nil {
		log.Fatal(err)
	}
	text, err := render.Format(f)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// profile ping { # sends packets
	//   capability net_raw,
	//   /etc/hosts r,
	//   /etc/networks r,
	// }
}
