// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// reasons returns the reasons in an error of Derive.
func reasons(err error) []svirt.Reason {
	var out []svirt.Reason
	var pe *svirt.PathError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			out = append(out, reasons(err)...)
		}
	} else if errors.As(err, &pe) {
		out = append(out, pe.Reason)
	}
	return out
}

// wantReason derives a machine and checks why it is refused; an empty reason
// is that of one that is taken.
func wantReason(t *testing.T, what string, d *svirt.Domain, o svirt.Options, want svirt.Reason) {
	t.Helper()
	_, err := svirt.Derive(context.Background(), d, o)
	got := reasons(err)
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case want != "" && (len(got) == 0 || got[0] != want):
		t.Errorf("%s: got %v, want %q", what, err, want)
	}
}

// TestFileTypes gives every kind of device every type of file.
func TestFileTypes(t *testing.T) {
	types := map[string]fs.FileMode{
		"file": 0, "directory": fs.ModeDir, "socket": fs.ModeSocket, "pipe": fs.ModeNamedPipe,
		"block": fs.ModeDevice, "char": fs.ModeDevice | fs.ModeCharDevice, "other": fs.ModeIrregular,
	}
	kinds := []struct {
		name  string
		path  string
		takes []string
		make  func(path string) svirt.Devices
		miss  bool // it need not be there
	}{
		{"disk", "/srv/x", []string{"file"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: p, Format: "raw"}}}}
		}, true},
		{"disk of type file", "/srv/x", []string{"file"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Type: svirt.ImageFile, Path: p}}}}
		}, true},
		{"data file", "/srv/x", []string{"file"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/new", Data: &svirt.Image{Path: p}}}}}
		}, true},
		{"backing file", "/srv/x", []string{"file"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/new", Backing: &svirt.Image{Path: p}}}}}
		}, true},
		{"block disk", "/dev/sdx", []string{"block"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Type: svirt.ImageBlock, Path: p}}}}
		}, false},
		{"directory disk", "/srv/x", []string{"directory"}, func(p string) svirt.Devices {
			return svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Type: svirt.ImageDir, Path: p}}}}
		}, true},
		{"share", "/srv/x", []string{"directory"}, func(p string) svirt.Devices {
			return svirt.Devices{Filesystems: []svirt.Filesystem{{ID: "a", Source: p}}}
		}, true},
		{"unix channel", "/srv/x", []string{"socket"}, func(p string) svirt.Devices {
			return svirt.Devices{Channels: []svirt.Chardev{{ID: "a", Type: svirt.ChardevUnix, Path: p}}}
		}, true},
		{"serial device", "/dev/ttyS0", []string{"char", "socket"}, func(p string) svirt.Devices {
			return svirt.Devices{Serials: []svirt.Chardev{{ID: "a", Type: svirt.ChardevDev, Path: p}}}
		}, false},
		{"terminal", "/dev/pts/4", []string{"char"}, func(p string) svirt.Devices {
			return svirt.Devices{Consoles: []svirt.Chardev{{ID: "a", Type: svirt.ChardevPTY, Path: p}}}
		}, true},
		{"log", "/srv/x", []string{"file", "pipe"}, func(p string) svirt.Devices {
			return svirt.Devices{Serials: []svirt.Chardev{{ID: "a", Type: svirt.ChardevFile, Path: p}}}
		}, true},
		{"vhost-user", "/srv/x", []string{"socket"}, func(p string) svirt.Devices {
			return svirt.Devices{Nets: []svirt.Net{{ID: "a", Socket: p}}}
		}, true},
		{"render node", "/dev/dri/renderD128", []string{"char"}, func(p string) svirt.Devices {
			return svirt.Devices{Graphics: []svirt.Graphics{{ID: "a", RenderNode: p}}}
		}, true},
		{"input", "/dev/input/event0", []string{"char"}, func(p string) svirt.Devices {
			return svirt.Devices{Inputs: []svirt.Input{{ID: "a", Path: p}}}
		}, false},
		{"TPM", "/dev/tpm0", []string{"char"}, func(p string) svirt.Devices {
			return svirt.Devices{TPMs: []svirt.TPM{{ID: "a", Backend: "passthrough", Path: p}}}
		}, false},
		{"external TPM", "/srv/x", []string{"socket"}, func(p string) svirt.Devices {
			return svirt.Devices{TPMs: []svirt.TPM{{ID: "a", Backend: "external", Path: p}}}
		}, true},
		{"memory", "/srv/x", []string{"file", "char"}, func(p string) svirt.Devices {
			return svirt.Devices{Memory: []svirt.Memory{{ID: "a", Model: "nvdimm", Path: p}}}
		}, true},
		{"program", "/srv/x", []string{"file"}, func(p string) svirt.Devices {
			return svirt.Devices{Programs: []svirt.Program{{ID: "a", Path: p}}}
		}, true},
		{"certificates", "/srv/x", []string{"directory"}, func(p string) svirt.Devices {
			return svirt.Devices{Smartcards: []svirt.Smartcard{{ID: "a", Mode: "host-certificates", Database: p}}}
		}, true},
		{"extra, recursive", "/srv/x", []string{"directory"}, func(p string) svirt.Devices {
			return svirt.Devices{Extra: []svirt.PathGrant{{ID: "a", Path: p, Perms: "r", Recursive: true}}}
		}, true},
	}
	for _, k := range kinds {
		for name, mode := range types {
			want := svirt.ReasonFileType
			for _, takes := range k.takes {
				if takes == name {
					want = ""
				}
			}
			host := fixture.New(fstest.MapFS{k.path[1:]: {Mode: mode}})
			wantReason(t, k.name+" "+name, domain(k.make(k.path)), svirt.Options{FS: host}, want)
			// A link says nothing of what it leads to.
			host = fixture.New(fstest.MapFS{k.path[1:]: {Mode: mode}, "srv/link": {Mode: fs.ModeSymlink, Data: []byte(k.path)}})
			wantReason(t, k.name+" by a link to "+name, domain(k.make("/srv/link")), svirt.Options{FS: host}, want)
		}
		want := svirt.Reason("")
		if !k.miss {
			want = svirt.ReasonNoDevice
		}
		wantReason(t, k.name+" that is not there", domain(k.make(k.path)), svirt.Options{FS: fixture.New(fstest.MapFS{"srv/other": {}})}, want)
		wantReason(t, k.name+" without a file system", domain(k.make(k.path)), svirt.Options{}, "")
	}
}

// TestUnknownWords misspells words other than paths: each would be granted
// nothing, in silence.
func TestUnknownWords(t *testing.T) {
	for what, dev := range map[string]svirt.Devices{
		"image":           {Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Type: "flie", Path: "/srv/x"}}}},
		"format":          {Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/x", Format: "qcov2"}}}},
		"backing image":   {Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/x", Backing: &svirt.Image{Type: "flie", Path: "/srv/y"}}}}},
		"chardev":         {Channels: []svirt.Chardev{{ID: "a", Type: "Unix", Path: "/srv/x"}}},
		"chardev, empty":  {Channels: []svirt.Chardev{{ID: "a", Path: "/srv/x"}}},
		"memory":          {Memory: []svirt.Memory{{ID: "a", Model: "nvdim", Path: "/srv/x"}}},
		"shared memory":   {Shmem: []svirt.Shmem{{ID: "a", Model: "ivshmem_plain", Name: "x"}}},
		"TPM":             {TPMs: []svirt.TPM{{ID: "a", Backend: "passtrough", Path: "/dev/tpm0"}}},
		"smartcard":       {Smartcards: []svirt.Smartcard{{ID: "a", Mode: "hosts"}}},
		"host device":     {HostDevices: []svirt.HostDevice{{ID: "a", Kind: "usbx"}}},
		"data image type": {Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/x", Data: &svirt.Image{Type: "flie", Path: "/srv/y"}}}}},
	} {
		wantReason(t, what, domain(dev), svirt.Options{FS: fixture.New(fstest.MapFS{"srv/z": {}})}, svirt.ReasonUnsupported)
	}
	d := domain(svirt.Devices{})
	d.LaunchSecurity = "sevsnp"
	wantReason(t, "memory encryption", d, svirt.Options{}, svirt.ReasonUnsupported)
}
