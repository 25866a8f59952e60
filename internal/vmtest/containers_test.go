// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"maps"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
)

// TestContainers runs package containers: trixie's crun, runc and LXC on its
// kernel, and, if everything is asked for, on that of its backports.
func TestContainers(t *testing.T) {
	roles := []string{"trixie"}
	if testenv.Full() {
		roles = append(roles, "trixie-backports")
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./containers",
		Roles:   roles,
		Timeout: 10 * time.Minute,
		Memory:  1024,
		Root: func(tb testing.TB, _ vmtest.Kernel) map[string]vmtest.RootFile {
			tree := testenv.Packages(tb, debian.Binary{Suite: "trixie", Names: []string{"crun", "runc", "lxc", "liblxc-common", "liblxc1t64"}, Libraries: true})
			for _, p := range tree.Packages[:5] {
				tb.Log(p)
			}
			root, err := vmtest.Programs(tree, "usr/bin/crun", "usr/sbin/runc", "usr/bin/lxc-start", "usr/bin/lxc-execute", "usr/bin/lxc-attach", "usr/bin/lxc-stop", "usr/sbin/init.lxc.static")
			if err != nil {
				tb.Fatal(err)
			}
			maps.Copy(root, users())
			return root
		},
	})
}
