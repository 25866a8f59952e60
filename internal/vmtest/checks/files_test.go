// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/loader"
)

// fileOperation is something that is done to a file, and the permissions that
// it takes: all letters of one of the words.
type fileOperation struct {
	op    string
	takes []string
	at    string // what it is done to; empty: a file
}

var fileOperations = []fileOperation{
	{op: "stat", takes: []string{""}},
	{op: "read", takes: []string{"r"}},
	{op: "write", takes: []string{"w"}},
	{op: "open to append", takes: []string{"w", "a"}},
	// Kernels let a file be opened for it, and then ask for more to write.
	{op: "append", takes: []string{"w"}},
	{op: "truncate", takes: []string{"w"}},
	{op: "open to truncate", takes: []string{"w"}},
	{op: "lock", takes: []string{"rk"}},
	{op: "lock to write", takes: []string{"wk"}},
	{op: "map", takes: []string{"rm"}},
	{op: "protect", takes: []string{"rm"}},
	{op: "chmod", takes: []string{"w"}},
	{op: "chown", takes: []string{"w"}},
	{op: "remove", takes: []string{"w"}},
	{op: "create", takes: []string{"w"}, at: "nothing"},
	{op: "symlink", takes: []string{"w"}, at: "nothing"},
	{op: "fifo", takes: []string{"w"}, at: "nothing"},
	{op: "device", takes: []string{"w"}, at: "nothing"},
	{op: "mkdir", takes: []string{"w"}, at: "nothing"},
	{op: "rmdir", takes: []string{"w"}, at: "directory"},
	{op: "list", takes: []string{"r"}, at: "directory"},
	// Kernels do not ask AppArmor about these.
	{op: "set xattr", takes: []string{""}},
	{op: "utimes", takes: []string{""}},
}

// may reports whether permissions are enough.
func (o fileOperation) may(perms string) bool {
	return slices.ContainsFunc(o.takes, func(word string) bool {
		return strings.Trim(word, perms) == ""
	})
}

// prepare puts there what the operation is done to.
func (o fileOperation) prepare(path string) error {
	err := os.RemoveAll(path)
	switch {
	case err != nil:
		return err
	case o.at == "nothing":
		return nil
	case o.at == "directory":
		return os.Mkdir(path, 0o755)
	}
	return os.WriteFile(path, []byte("content"), 0o644)
}

// TestFileRules tries everything that can be done to a file with each of the
// permissions that a rule can grant.
func TestFileRules(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/rules")
	var text strings.Builder
	fmt.Fprintf(&text, "abi <kernel>,\nprofile ruled {%s\ncapability,\n", base)
	granted := []string{"", "r", "w", "a", "k", "m", "l", "rw", "ra", "rk", "wk", "rm", "rwmk"}
	for _, perms := range granted {
		if perms != "" {
			// With the slash, which the names of directories end in.
			fmt.Fprintf(&text, "%s/only-%s{,/} %s,\n", dir, perms, perms)
		}
	}
	// What is denied outweighs what is granted.
	fmt.Fprintf(&text, "%s/denied* rwmk,\ndeny %s/denied-w w,\n", dir, dir)
	fmt.Fprintf(&text, "priority=1 %s/prior rw,\ndeny %s/prior w,\n", dir, dir)
	fmt.Fprintf(&text, "%s/from rw,\n%s/from-r r,\n%s/from-w w,\n%s/to w,\n%s/to-a a,\n}\n", dir, dir, dir, dir, dir)
	loadText(t, k, text.String())
	subject, free := confine(t, k, "ruled"), unconfined(t)

	for _, o := range fileOperations {
		t.Run(o.op, func(t *testing.T) {
			for _, perms := range granted {
				path := filepath.Join(dir, "only-"+perms)
				if err := o.prepare(path); err != nil {
					t.Fatal(err)
				}
				want := syscall.EACCES
				if o.may(perms) {
					want = 0
				}
				subject.want(t, want, o.op, path)
				if want != 0 {
					free.want(t, 0, o.op, path)
				}
			}
		})
	}
	t.Run("rename", func(t *testing.T) {
		for _, c := range []struct {
			from, to string
			want     syscall.Errno
		}{
			{"from", "to", 0},
			{"from", "to-a", syscall.EACCES},
			{"from-r", "to", syscall.EACCES},
			{"from-w", "to", syscall.EACCES},
			{"from", "none", syscall.EACCES},
		} {
			from, to := filepath.Join(dir, c.from), filepath.Join(dir, c.to)
			if err := os.WriteFile(from, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			subject.want(t, c.want, "rename", from, to)
			if c.want != 0 {
				free.want(t, 0, "rename", from, to)
			}
		}
		for _, name := range []string{"from", "from-r", "to"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// Both are renamed.
		subject.want(t, syscall.EACCES, "exchange", filepath.Join(dir, "from"), filepath.Join(dir, "from-r"))
		free.want(t, 0, "exchange", filepath.Join(dir, "from"), filepath.Join(dir, "from-r"))
	})
	t.Run("deny and priority", func(t *testing.T) {
		for name, want := range map[string]syscall.Errno{"denied": 0, "denied-w": syscall.EACCES, "prior": 0} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			subject.want(t, want, "write", filepath.Join(dir, name))
			subject.want(t, 0, "read", filepath.Join(dir, name))
		}
	})
	t.Run("owner", func(t *testing.T) {
		loadText(t, k, "abi <kernel>,\nprofile owners {"+base+"owner /srv/rules/own rw,\n/srv/rules/own k,\nowner /srv/rules/new w,\n}")
		subject := confine(t, k, "owners")
		path := filepath.Join(dir, "own")
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
		subject.want(t, 0, "read", path)
		subject.want(t, 0, "write", path)
		subject.want(t, 0, "create", filepath.Join(dir, "new"))
		if err := os.Chown(path, 1, 1); err != nil {
			t.Fatal(err)
		}
		subject.want(t, syscall.EACCES, "read", path)
		subject.want(t, syscall.EACCES, "write", path)
		free.want(t, 0, "read", path)
	})
	t.Run("deleted and disconnected", func(t *testing.T) { tryDisconnected(t, k) })
}

// tryDisconnected looks at a file by way of a mount that is nowhere.
func tryDisconnected(t *testing.T, k *loader.Kernel) {
	for _, c := range []struct {
		name, flags, rule string
		want              syscall.Errno
	}{
		{"no flag", "", "/lost rw,", syscall.EACCES},
		{"attached", "flags=(attach_disconnected)", "/lost rw,", 0},
		// 6.1 honours the path without having the feature.
		{"below a path", "flags=(attach_disconnected.path=/att)", "/att/lost rw,", 0},
		{"not at the root", "flags=(attach_disconnected.path=/att)", "/lost rw,", syscall.EACCES},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The path that the kernel sees begins at the mount.
			loadText(t, k, "abi <kernel>,\nprofile lost "+c.flags+" {"+base+c.rule+"\ncapability sys_admin,\nmount,\n}")
			subject, free := confine(t, k, "lost"), unconfined(t)
			subject.want(t, c.want, "read in nowhere")
			free.want(t, 0, "read in nowhere")
		})
	}
}
