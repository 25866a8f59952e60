// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/svirt"
)

// linked is a machine with a libvirt of the version that the link names.
func linked(dir, target string) fs.ReadLinkFS {
	return fstest.MapFS{dir + "/libvirt.so.0": {Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}}
}

func TestHostMethod(t *testing.T) {
	for _, tt := range []struct {
		dir, target string
		want        svirt.Method
		found       bool
	}{
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.9000.0", svirt.Compat90, true},
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.8000.0", svirt.Compat90, true},
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.11002.9", svirt.Compat90, true},
		{"usr/lib/aarch64-linux-gnu", "libvirt.so.0.11003.0", svirt.Compat113, true},
		{"usr/lib64", "libvirt.so.0.12007.0", svirt.Compat113, true},
		{"usr/lib", "libvirt.so.0.12008.0", svirt.Compat128, true},
		{"usr/lib", "libvirt.so.0.12009.1", svirt.Compat129, true},
		{"usr/lib", "/usr/lib/libvirt.so.0.13001.0", svirt.Compat129, true},
		{"usr/lib", "libvirt.so.0.x", svirt.Compat128, false},
		{"opt/lib", "libvirt.so.0.9000.0", svirt.Compat128, false},
	} {
		if got, ok := hostMethod(linked(tt.dir, tt.target)); got != tt.want || ok != tt.found {
			t.Errorf("%s -> %s: %v %v, want %v %v", tt.dir, tt.target, got, ok, tt.want, tt.found)
		}
	}
}

// TestSettings: an option goes before the file of settings, and that before
// what the host has.
func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name, file, args, host string
		want                   svirt.Method
		loader, err            string
	}{
		{"nothing", "", "", "", svirt.Compat128, "auto", ""},
		{"host", "", "", "libvirt.so.0.11003.0", svirt.Compat113, "auto", ""},
		{"file", "# ours\npolicy strict # why\n\n\tloader  own\n", "", "libvirt.so.0.11003.0", svirt.Strict, "own", ""},
		{"argument", "policy strict\n", "--policy 9.0 ", "libvirt.so.0.11003.0", svirt.Compat90, "auto", ""},
		{"unknown setting", "policy strict\nmode x\n", "", "", 0, "", `conf:2: unknown setting "mode"`},
		{"unknown value", "policy lax\n", "", "", 0, "", `conf:1: unknown policy "lax"`},
		{"no value", "policy\n", "", "", 0, "", "has 0 values"},
		{"two values", "loader own parser\n", "", "", 0, "", "has 2 values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			s := store{filepath.Join(base, "libvirt")}
			write(t, s.dir, nil)
			if tt.file != "" {
				write(t, s.dir, map[string]string{settingsFile: tt.file})
			}
			hostFS := linked("usr/lib64", tt.host)
			if tt.args == "" {
				o, err := s.settings(hostFS)
				if tt.err == "" && (err != nil || o.method != tt.want || o.loader != tt.loader) {
					t.Errorf("%v %q %v", o.method, o.loader, err)
				}
				if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("%v, want %q", err, tt.err)
				}
			}
			// The command refuses to run with settings that it does not know.
			var stdout, stderr bytes.Buffer
			status := Run(t.Context(), strings.Fields(tt.args+"-d -c -u "+profile), Env{
				Stdin: strings.NewReader(xml("kvm", "/srv/a.img")), Stdout: &stdout, Stderr: &stderr, Base: base, Host: hostFS, Loader: &fakeLoader{},
			})
			if (status != 0) != (tt.err != "") || !strings.Contains(stderr.String(), tt.err) {
				t.Errorf("status %d: %s", status, stderr.String())
			}
			// Only libvirt's rules have this one.
			if lax := strings.Contains(stdout.String(), "/run/libvirt/**/vm1.pid"); tt.err == "" && lax != (tt.want != svirt.Strict || tt.args != "") {
				t.Errorf("rules are\n%s", stdout.String())
			}
		})
	}
}
