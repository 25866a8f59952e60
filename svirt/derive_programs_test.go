// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

func program(path string) *svirt.Domain {
	return domain(svirt.Devices{Programs: []svirt.Program{{ID: "vmm", Path: path}}})
}

// TestPrograms grants executables and refuses what is not one.
func TestPrograms(t *testing.T) {
	link := func(target string) *fstest.MapFile {
		return &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(target)}
	}
	host := fixture.New(fstest.MapFS{
		"usr/bin/vmm":    {},
		"usr/bin/link":   link("vmm"),
		"usr/bin/broken": link("nothing"),
		"usr/bin/dir/x":  {},
		"dev/vmm":        {},
		"opt/etc":        link("/etc"),
		"etc/vmm":        {},
	})
	disks := func(d *svirt.Domain, paths ...string) *svirt.Domain {
		for _, p := range paths {
			d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{ID: "vda", Image: svirt.Image{Path: p}, ReadOnly: true})
		}
		return d
	}
	writable := func(d *svirt.Domain, extra svirt.PathGrant) *svirt.Domain {
		d.Devices.Extra = append(d.Devices.Extra, extra)
		return d
	}
	tests := []struct {
		name   string
		domain *svirt.Domain
		fs     fs.ReadLinkFS
		want   string
		reason svirt.Reason
	}{
		{"plain", program("/usr/bin/vmm"), nil, "  \"/usr/bin/vmm\" mrix, # program vmm\n", ""},
		{"anywhere", program("/opt/vmm-1.2/vmm"), nil, "  \"/opt/vmm-1.2/vmm\" mrix, # program vmm\n", ""},
		{"found", program("/usr/bin/vmm"), host, "  \"/usr/bin/vmm\" mrix, # program vmm\n", ""},
		{"link", program("/usr/bin/link"), host, "  \"/usr/bin/vmm\" mrix, # program vmm\n", ""},
		{"also read as a disk", disks(program("/srv/x"), "/srv/x"), nil, "  \"/srv/x\" mrkix, # disk vda rk, program vmm mrix\n", ""},
		{"beside a file that is written", writable(program("/srv/bin/vmm"), svirt.PathGrant{ID: "x", Path: "/srv/bin/vmm.log", Perms: "w"}), nil,
			"  \"/srv/bin/vmm\" mrix, # program vmm\n  \"/srv/bin/vmm.log\" w, # extra x\n", ""},

		{"appended to and written", writable(disks(domain(svirt.Devices{Serials: []svirt.Chardev{{ID: "s", Type: "file", Path: "/srv/x"}}})), svirt.PathGrant{ID: "x", Path: "/srv/x", Perms: "ra"}), nil,
			"  \"/srv/x\" rw, # extra x ra, serial s w\n", ""},

		{"empty", program(""), nil, "", svirt.ReasonEmpty},
		{"relative", program("bin/vmm"), nil, "", svirt.ReasonRelative},
		{"dots", program("/usr/bin/../bin/vmm"), nil, "", svirt.ReasonUnclean},
		{"glob", program("/usr/bin/*"), nil, "", svirt.ReasonGlob},
		{"variable", program("/usr/bin/@{x}"), nil, "", svirt.ReasonGlob},
		{"quote", program("/usr/bin/\""), nil, "", svirt.ReasonQuote},
		{"newline", program("/usr/bin/x\n"), nil, "", svirt.ReasonControl},
		{"long", program("/" + strings.Repeat("x", 5000)), nil, "", svirt.ReasonTooLong},
		{"directory", program("/usr/bin/"), nil, "", svirt.ReasonUnclean},
		{"root", program("/"), nil, "", svirt.ReasonUnclean},
		{"process", program("/proc/self/exe"), nil, "", svirt.ReasonRestricted},
		{"settings", program("/etc/vmm"), nil, "", svirt.ReasonRestricted},
		{"device", program("/dev/vmm"), host, "", svirt.ReasonRestricted},
		{"link to settings", program("/opt/etc/vmm"), host, "", svirt.ReasonRestricted},
		{"not a file", program("/usr/bin/dir"), host, "", svirt.ReasonFileType},
		{"broken link", program("/usr/bin/broken"), host, "", svirt.ReasonDangling},
		{"written", writable(program("/srv/x"), svirt.PathGrant{Path: "/srv/x", Perms: "rw"}), nil, "", svirt.ReasonWritable},
		{"appended to", writable(program("/srv/x"), svirt.PathGrant{Path: "/srv/x", Perms: "a"}), nil, "", svirt.ReasonWritable},
		{"linked", writable(program("/srv/d/x"), svirt.PathGrant{Path: "/srv/d", Perms: "l", Recursive: true}), nil, "", svirt.ReasonWritable},
		{"in a shared directory", writable(program("/srv/d/e/x"), svirt.PathGrant{Path: "/srv/d", Perms: "rw", Recursive: true}), nil, "", svirt.ReasonWritable},
		{"exec as a permission", writable(program("/srv/x"), svirt.PathGrant{Path: "/srv/y", Perms: "rx"}), nil, "", svirt.ReasonPerms},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rules, err := svirt.Derive(context.Background(), test.domain, svirt.Options{FS: test.fs})
			if test.reason != "" {
				var pe *svirt.PathError
				if !errors.As(err, &pe) || pe.Reason != test.reason {
					t.Errorf("got %v, want %s", err, test.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(rules.AppendText(nil))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestProgramsOfMonitor asks the compiled profile of a monitor's machine.
func TestProgramsOfMonitor(t *testing.T) {
	d := program("/usr/bin/vmm")
	policy := compiled(t, source(t, d, derived(t, d, svirt.Options{}), svirt.PolicyFS()), "6.1")
	p, ok := query.Open(policy).Profile("libvirt-" + uuid)
	if !ok {
		t.Fatal("the policy does not define the machine's profile")
	}
	for path, want := range map[string]bool{"/usr/bin/vmm": true, "/usr/bin/vmm2": false, "/usr/bin/sh": false} {
		if got := p.Allows(query.File{Path: path, Perms: query.Read | query.Mmap | query.Exec}); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}
