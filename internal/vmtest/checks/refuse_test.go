// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// TestRefused checks that what is malformed, or holds a name twice, is refused
// on every way to the kernel before it sees anything: nothing is logged, and
// the number of its policy stays.
func TestRefused(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	manager := newManager(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	log := guest.OpenKernelLog(t)
	before, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("streams", func(t *testing.T) {
		good := kernelPolicy(t, m.profile()).Bytes()
		for n := 0; n < len(good); n += 1 + len(good)/200 {
			if _, err := blob.Inspect(good[:n]); err == nil {
				t.Errorf("cut to %d bytes it is accepted", n)
			} else if refused := new(blob.FormatError); !errors.As(err, &refused) {
				t.Errorf("cut to %d bytes: %v", n, err)
			}
		}
		_, err := blob.Inspect(append(good[:len(good):len(good)], good...))
		wantError(t, err, blob.ErrDuplicate)
		_, err = blob.Inspect(append(good[:len(good):len(good)], 0))
		if refused := new(blob.FormatError); !errors.As(err, &refused) {
			t.Errorf("a byte too much: %v", err)
		}
		_, err = blob.Encode([]*blob.Profile{minimal("p"), minimal("q"), minimal("p")})
		wantError(t, err, blob.ErrDuplicate)
	})
	t.Run("files", func(t *testing.T) {
		file := filepath.Join("/etc/apparmor.d/libvirt", m.profile())
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Error(err)
			}
		})
		for name, bad := range map[string]string{
			"no rule":         strings.Replace(string(text), "{", "{ this is no rule", 1),
			"unclosed":        strings.TrimRight(string(text), "} \n"),
			"twice":           string(text) + "profile " + m.profile() + " { }\n",
			"of another":      string(text) + "profile other { }\n",
			"unknown include": strings.Replace(string(text), "{", "{ include <nothing>", 1),
			"conflict":        strings.Replace(string(text), "{", "{ /bin/x ux, /bin/x px,", 1),
			"empty":           "",
		} {
			if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := manager.Load(ctx, m.UUID); err == nil {
				t.Errorf("%s: it is loaded", name)
			} else if list := (diag.List)(nil); errors.As(err, &list) && list[0].Pos.Line == 0 {
				t.Errorf("%s: no place in %v", name, err)
			}
		}
	})
	t.Run("text", func(t *testing.T) {
		_, err := parser.Parse("p", "profile p { /bin/x zz, }")
		if list := (diag.List)(nil); !errors.As(err, &list) {
			t.Errorf("unknown permissions: %v", err)
		}
		err = manager.Replace(ctx, &svirt.Domain{UUID: m.UUID, Name: "a/b"})
		if refused := new(svirt.IdentityError); !errors.As(err, &refused) {
			t.Errorf("a name with a slash: %v", err)
		}
	})

	if after, err := k.Revision(ctx); err != nil || after != before {
		t.Errorf("revision %d after %d, %v", after, before, err)
	}
	// What the kernel does see it logs.
	marker := encode(t, minimal("kernel-log-marker")).Bytes()
	if err := rawWrite(t, "/sys/kernel/security/apparmor/policy/.replace", append(marker, 0)); err != unix.EPROTO {
		t.Errorf("a byte too much: %v", err)
	}
	if records := log.Until(t, `apparmor="STATUS"`); !strings.Contains(records[len(records)-1], "error=-71") || len(records) != 1 {
		t.Errorf("the kernel logged:\n%s", strings.Join(records, ""))
	}
}
