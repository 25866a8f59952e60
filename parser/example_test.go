// SPDX-License-Identifier: Apache-2.0

package parser_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// A whole directory of policy is parsed at once and its profiles are resolved.
// For the policy of a machine the root is os.DirFS("/etc/apparmor.d").
func ExampleConfig_ParseDir() {
	etc := fstest.MapFS{
		"tunables/global":   {Data: []byte("@{run} = /run /var/run\n")},
		"abstractions/base": {Data: []byte("/etc/ld.so.cache r,\n")},
		"usr.bin.man":       {Data: []byte("include <tunables/global>\n/usr/bin/man { include <abstractions/base> @{run}/man rw, }\n")},
		"usr.sbin.ntpd":     {Data: []byte("/usr/sbin/ntpd { include <abstractions/base> capability sys_time, }\n")},
		"usr.sbin.sshd":     {Data: []byte("/usr/sbin/sshd {\n  capability everything,\n}\n")},
		"README":            {Data: []byte("not policy")},
	}
	config := parser.Config{Roots: []fs.FS{etc}, RootNames: []string{"/etc/apparmor.d"}}
	files, err := config.ParseDir(context.Background(), ".")
	if err != nil {
		// One bad file is not a reason to do without the others.
		fmt.Println(err)
	}
	for _, f := range files {
		if f.Err != nil {
			continue
		}
		set, err := policy.Resolve(context.Background(), f.Unit, policy.Options{Roots: config.Roots})
		if err != nil {
			log.Fatal(err)
		}
		for _, p := range set.Profiles {
			fmt.Printf("%s: %s has %d rules\n", f.Name, p.Name, len(p.Rules))
		}
	}
	// Output:
	// /etc/apparmor.d/usr.sbin.sshd:2:14: unknown capability "everything" (at "everything")
	// /etc/apparmor.d/usr.bin.man: /usr/bin/man has 2 rules
	// /etc/apparmor.d/usr.sbin.ntpd: /usr/sbin/ntpd has 2 rules
}
