// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

const uuid = "6d8c1494-16d5-5675-9439-85dd7dfec85d"

// disk returns a machine with one raw image.
func disk(path string) *svirt.Domain {
	image := svirt.Image{Path: path, Format: "raw"}
	return &svirt.Domain{UUID: uuid, Name: "vm", Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: image}}}}
}

// TestLiteralMatchesItself checks, all the way to the automaton, that a path
// in a rule matches that path and no other.
func TestLiteralMatchesItself(t *testing.T) {
	special := []byte("*?[]{}^,\\\"@!#-abAB \t\n\x01\x7f\xc3\xa9.$~+:;'()")
	root := fs.FS(oneProfile{})
	set, _ := features.Kernel("7.3")
	a := &svirt.AppArmor{Features: set}
	p := gopter.NewProperties(nil)
	p.Property("a literal matches only itself", prop.ForAll(func(picks []int, other []int) (bool, error) {
		text := func(picks []int) string {
			b := []byte("/srv/x")
			for _, i := range picks {
				b = append(b, special[i%len(special)])
			}
			return string(b)
		}
		path := text(picks)
		rules, err := svirt.Derive(context.Background(), disk(path), svirt.Options{EscapeSpecial: true})
		if err != nil {
			return false, err
		}
		// Through values, and through text that is read back.
		back, err := svirt.ParseRules(context.Background(), "f", rules.AppendFile(nil))
		if err != nil {
			return false, err
		}
		for _, r := range []*svirt.Rules{rules, back} {
			src := &svirt.Source{Profile: "libvirt-" + uuid, Roots: []fs.FS{root}}
			src.File, err = parser.Config{}.Parse(context.Background(), "p", "profile libvirt-"+uuid+" {\n include <f>\n}\n")
			if err != nil {
				return false, err
			}
			if src.Rules, err = r.File(context.Background(), "f"); err != nil {
				return false, err
			}
			c, err := a.Compile(context.Background(), src)
			if err != nil {
				return false, err
			}
			q, _ := query.Open(c.(*blob.Policy)).Profile("libvirt-" + uuid)
			allows := func(path string) bool {
				return q.Allows(query.File{Path: path, Perms: query.Read | query.Write | query.Lock})
			}
			if !allows(path) {
				return false, nil
			}
			others := []string{text(other), path + "x", path[:len(path)-1], strings.ReplaceAll(path, "*", "a"), strings.ReplaceAll(path, "?", "a"), strings.ReplaceAll(path, `\`, "")}
			for _, o := range others {
				if o != path && allows(o) {
					t.Logf("%q allows %q", path, o)
					return false, nil
				}
			}
		}
		return true, nil
	}, gen.SliceOf(gen.IntRange(0, 1000)), gen.SliceOf(gen.IntRange(0, 1000))))
	p.TestingRun(t)
}

// oneProfile is a tree without files.
type oneProfile struct{}

func (oneProfile) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
