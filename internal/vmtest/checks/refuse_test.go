// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// kernelLog reads what the kernel logs from its opening on.
type kernelLog struct{ *os.File }

// logEverything has the kernel leave nothing out for there being too much.
func logEverything(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/kernel/printk_ratelimit", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
}

func openKernelLog(t *testing.T) kernelLog {
	t.Helper()
	logEverything(t)
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, f) })
	if _, err := f.Seek(0, unix.SEEK_END); err != nil {
		t.Fatal(err)
	}
	return kernelLog{f}
}

// until returns AppArmor's records up to the first that holds the text.
func (l kernelLog) until(t *testing.T, text string) []string {
	t.Helper()
	if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var records []string
	for buf := make([]byte, 8<<10); ; {
		n, err := l.Read(buf)
		if errors.Is(err, syscall.EPIPE) {
			t.Fatal("the kernel's log has overrun")
		}
		if err != nil {
			t.Fatalf("waiting for %q in the kernel's log: %v", text, err)
		}
		if record := string(buf[:n]); strings.Contains(record, "apparmor=") {
			records = append(records, record)
			if strings.Contains(record, text) {
				return records
			}
		}
	}
}

// TestRefused checks that what is malformed, or holds a name twice, is refused
// on every way to the kernel before it sees anything: nothing is logged, and
// the number of its policy stays.
func TestRefused(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	manager := newManager(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	log := openKernelLog(t)
	before, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("streams", func(t *testing.T) {
		good := kernelPolicy(t, m.profile()).Bytes()
		for n := 0; n < len(good); n += 1 + len(good)/200 {
			if _, err := blob.Inspect(good[:n]); err == nil {
				t.Errorf("cut to %d bytes it is taken", n)
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
	if records := log.until(t, `apparmor="STATUS"`); !strings.Contains(records[len(records)-1], "error=-71") || len(records) != 1 {
		t.Errorf("the kernel logged:\n%s", strings.Join(records, ""))
	}
}
