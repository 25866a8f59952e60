// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os/exec"
	"testing/fstest"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

// A program under a profile, in five calls. It needs a kernel with AppArmor, and
// the right to load policy.
func Example_confine() {
	ctx, text := context.Background(), "abi <kernel>,\nprofile hello {\n  /usr/bin/hello mr,\n}\n"
	kernel, err := loader.Open(loader.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer kernel.Close()
	set, err := kernel.Features(ctx)
	if err != nil {
		log.Fatal(err)
	}
	out, err := compile.Text(ctx, "hello", text, compile.Source{Kernel: set})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := kernel.Ensure(ctx, out.Policy); err != nil {
		log.Fatal(err)
	}
	if err := kernel.Start(ctx, exec.Command("/usr/bin/hello"), kernel.Qualify("hello")); err != nil {
		log.Fatal(err)
	}
}

// Text becomes what a kernel loads, and is asked what it allows.
func Example() {
	ctx := context.Background()
	tree := fstest.MapFS{
		"tunables/www": {Data: []byte("@{ROOT} = /srv/www /srv/static\n")},
		"httpd": {Data: []byte(`
abi <abi/4.0>,
include <tunables/www>

profile httpd /usr/sbin/httpd {
  capability net_bind_service,
  network inet stream,
  @{ROOT}/** r,
  deny @{ROOT}/**/.git/** r,
}
`)},
	}
	roots := []fs.FS{tree}
	unit, err := parser.Config{Roots: roots}.ParseFS(ctx, "httpd")
	if err != nil {
		log.Fatal(err)
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Roots: roots})
	if err != nil {
		log.Fatal(err)
	}
	kernel, _ := features.Kernel("6.12")
	out, err := compile.Compile(ctx, set, compile.Options{Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}

	httpd, _ := query.Open(out.Policy).Profile("httpd")
	for _, request := range []query.Request{
		query.File{Path: "/srv/www/index.html", Perms: query.Read},
		query.File{Path: "/srv/www/site/.git/config", Perms: query.Read},
		query.File{Path: "/etc/shadow", Perms: query.Read},
		query.Capability("net_bind_service"),
		query.Network{Family: "packet", Type: "raw"},
	} {
		answer, err := httpd.Ask(request)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", request, answer)
	}
	// Output:
	// file read /srv/www/index.html: allowed
	// file read /srv/www/site/.git/config: denied read, quiet
	// file read /etc/shadow: denied read
	// capability net_bind_service: allowed
	// network packet raw: denied create
}

// A mistake is reported with its place and, if it is known, with what would be
// right.
func Example_diagnostics() {
	_, err := parser.Parse("web", "profile web {\n  signal send set=queit,\n}\n")
	var list diag.List
	if errors.As(err, &list) {
		for _, d := range list {
			fmt.Println(d)
		}
	}
	// Output:
	// web:2:19: unknown signal "queit" (at "queit"); did you mean "quit"?
}

// The rules of a machine come from its description, without any text.
func Example_machine() {
	machine := &svirt.Domain{
		UUID: "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11",
		Name: "web",
		Devices: svirt.Devices{
			Disks: []svirt.Disk{
				{ID: "vda", Image: svirt.Image{Path: "/srv/vm/web.img", Format: "raw"}},
				{ID: "sda", Image: svirt.Image{Path: "/srv/vm/seed.iso"}, ReadOnly: true},
			},
		},
	}
	rules, err := svirt.Derive(context.Background(), machine, svirt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", rules.AppendText(nil))

	machine.Devices.Disks[0].Image.Path = "/etc/shadow"
	_, err = svirt.Derive(context.Background(), machine, svirt.Options{})
	fmt.Println(err)
	// Output:
	//   "/srv/vm/seed.iso" rk, # disk sda
	//   "/srv/vm/web.img" rwk, # disk vda
	// disk vda: the path is restricted to the system ("/etc/shadow")
}
