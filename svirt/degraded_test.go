// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/svirt"
)

// compiler is a driver that compiles for 6.1, which mediates least, and has
// everything in force at once.
type compiler struct {
	svirt.None
	apparmor *svirt.AppArmor
}

func (c *compiler) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	return c.apparmor.Compile(ctx, src)
}

// TestDegradedOnce: what a kernel does not enforce of this package's templates
// and abstractions is told once, for all machines; what an administrator wrote
// is told each time.
func TestDegradedOnce(t *testing.T) {
	set, ok := features.Kernel("6.1")
	if !ok {
		t.Fatal("no features of 6.1")
	}
	ctx := t.Context()
	var log bytes.Buffer
	messages := func() (debug, info int) {
		t.Helper()
		for line := range strings.Lines(log.String()) {
			var m struct{ Level, Msg, First string }
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(m.Msg, "the kernel cannot enforce") {
				continue
			}
			if m.First == "" {
				t.Errorf("no example in %s", line)
			}
			switch m.Level {
			case "DEBUG":
				debug++
			case "INFO":
				info++
			}
		}
		log.Reset()
		return debug, info
	}
	open := func(dir string, level slog.Level, c *compiler) *svirt.Manager {
		t.Helper()
		c.apparmor.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level}))
		m, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: c, Templates: svirt.TemplatesOwn, Types: []string{"", "kvm", "oci"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		return m
	}
	create := func(m *svirt.Manager, uuid, virtType string) {
		t.Helper()
		if err := m.Create(ctx, &svirt.Domain{UUID: uuid, Name: uuid, Type: virtType}); err != nil {
			t.Fatal(err)
		}
	}
	const one, two, three = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a12", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a13"
	driver := func() *compiler {
		return &compiler{apparmor: &svirt.AppArmor{Features: set, Degrade: compile.Report}}
	}

	dir, d := t.TempDir(), driver()
	m := open(dir, slog.LevelDebug, d)
	create(m, one, "kvm")
	if debug, info := messages(); debug != 1 || info != 0 {
		t.Errorf("the first machine: told %d times, %d at Info", debug, info)
	}
	create(m, two, "kvm")
	create(m, three, "") // what it has in common with the others was told
	if debug, info := messages(); debug > 1 || info != 0 {
		t.Errorf("the next machines: told %d times, %d at Info", debug, info)
	}
	if err := m.Load(ctx, three); err != nil {
		t.Fatal(err)
	}
	if debug, info := messages(); debug != 0 || info != 0 {
		t.Errorf("compiled again: told %d times, %d at Info", debug, info)
	}

	// An administrator adds a rule.
	file := filepath.Join(dir, "libvirt", "libvirt-"+two)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(text, '}')
	if err := os.WriteFile(file, []byte(string(text[:end])+"  io_uring sqpoll,\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Load(ctx, two); err != nil {
			t.Fatal(err)
		}
		if debug, info := messages(); debug != 0 || info != 1 {
			t.Errorf("a rule of an administrator: told %d times, %d of templates", info, debug)
		}
	}

	// What another machine was compiled from does not get into the message.
	edited, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "libvirt", "libvirt-"+one)
	if err := os.WriteFile(file, bytes.ReplaceAll(edited, []byte(two), []byte(one)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Load(ctx, one); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), file+":") || strings.Contains(log.String(), two) {
		t.Errorf("of %s is told\n%s", file, log.String())
	}
	log.Reset()

	// Where only Info counts, templates are not worth a word.
	m = open(t.TempDir(), slog.LevelInfo, driver())
	create(m, one, "kvm")
	if log.Len() > 0 {
		t.Errorf("at Info: %s", log.String())
	}
	// Lines that say the name of a companion's machine are the template's, too.
	if err := m.Create(ctx, accompanied(1)); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("at Info of companions: %s", log.String())
	}
}
