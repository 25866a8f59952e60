// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// TestUsedBy asks what uses a block device of a made-up host.
func TestUsedBy(t *testing.T) {
	const mounts = "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n22 21 0:5 / /proc rw - proc proc rw\n23 21 7:0 / /mnt/loop ro - iso9660 /dev/loop0 ro\n"
	host := map[string]string{
		"mountinfo": mounts,
		// The disk of the host, with a partition that is mounted and one that
		// is not.
		"block/8:0/sda1/partition": "1\n", "block/8:0/sda1/dev": "8:1\n", "block/8:0/sda2/partition": "2\n", "block/8:0/sda2/dev": "8:2\n",
		"block/8:0/queue/depth": "1\n", "block/8:0/dev": "8:0\n",
		"block/8:1/partition": "1\n", "block/8:2/partition": "2\n",
		// A disk whose partition is a part of a volume.
		"block/8:16/sdb1/partition": "1\n", "block/8:16/sdb1/dev": "8:17\n", "block/8:17/holders/dm-0/dev": "253:0\n",
		"block/253:0/slaves/sdb1": "",
		// One that is an array's as a whole, one that is free, one of which
		// something cannot be read.
		"block/8:32/holders/md0/dev": "9:0\n", "block/8:48/sdd1/partition": "1\n", "block/8:48/sdd1/dev": "8:49\n", "block/8:48/size": "1\n",
		"block/7:0/size": "1\n", "block/8:64/sde1/partition": "1\n",
		"block/8:80/holders": "not a directory",
	}
	dir := t.TempDir()
	writeTree(t, dir, host)
	if err := os.MkdirAll(filepath.Join(dir, "block/8:48/holders"), 0o755); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[[2]uint32]string{
		{8, 0}: "mounted at /", {8, 2}: "mounted at /", {8, 1}: "", {7, 0}: "mounted at /mnt/loop",
		{8, 16}: "part of dm-0", {8, 17}: "part of dm-0", {253, 0}: "", {8, 32}: "part of md0", {8, 48}: "", {8, 64}: "cannot be read", {8, 80}: "cannot be read",
		{8, 96}: "", // the kernel has no such device
	} {
		got := usedBy(filepath.Join(dir, "block"), filepath.Join(dir, "mountinfo"), unix.Mkdev(number[0], number[1]))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%d:%d: %q, want %q", number[0], number[1], got, want)
		}
	}
	if got := usedBy(filepath.Join(dir, "block"), filepath.Join(dir, "nothing"), unix.Mkdev(8, 48)); !strings.Contains(got, "cannot be read") {
		t.Errorf("without a list of mounts: %q", got)
	}
}

// inUse is a file system whose block devices are in use.
type inUse struct{ fstest.MapFS }

func (f inUse) hold() (tree, error) { return inUseTree{fsTree{f.MapFS}}, nil }

type inUseTree struct{ fsTree }

func (inUseTree) usedBy(uint64) string { return "it is mounted at /" }

// TestInUse gives machines a disk of the host that the host uses.
func TestInUse(t *testing.T) {
	host := inUse{fstest.MapFS{"dev/vg/root": {Mode: fs.ModeDevice}, "srv/a": {}}}
	block := func(readOnly bool) *Domain {
		return numbered(1, Disk{ID: "a", Image: Image{Type: ImageBlock, Path: "/dev/vg/root", Format: "raw"}, ReadOnly: readOnly})
	}
	derived := func(d *Domain, o Options) error {
		_, err := Derive(context.Background(), d, o)
		return err
	}
	for what, c := range map[string]struct {
		d    *Domain
		o    Options
		want []Reason
	}{
		"written":          {block(false), Options{FS: host}, []Reason{ReasonInUse}},
		"read":             {block(true), Options{FS: host}, nil},
		"a root":           {block(false), Options{FS: host, Roots: Roots{Devices: []string{"/dev/vg"}}}, nil},
		"a tenant's root":  {block(false), Options{FS: host, Origin: FromTenant, Roots: Roots{Devices: []string{"/dev/vg"}}}, nil},
		"not used":         {block(false), Options{FS: host.MapFS}, nil},
		"a file beside it": {numbered(1, raw("a", "/srv/a")), Options{FS: host}, nil},
	} {
		if got := reasonsOf(derived(c.d, c.o)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	f := newFixture(t, ManagerOptions{Derive: Options{FS: host}})
	wantReasons(t, "a Manager's machine", f.Create(t.Context(), block(false)), ReasonInUse)
}
