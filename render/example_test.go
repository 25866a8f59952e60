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
