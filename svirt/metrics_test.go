// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// recorder keeps what it is told.
type recorder struct {
	mu                                sync.Mutex
	compiled, loaded, refused, denied []svirt.Measured
}

func (r *recorder) add(to *[]svirt.Measured, m svirt.Measured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(*to, m)
}

func (r *recorder) Compiled(m svirt.Measured) { r.add(&r.compiled, m) }
func (r *recorder) Loaded(m svirt.Measured)   { r.add(&r.loaded, m) }
func (r *recorder) Refused(m svirt.Measured)  { r.add(&r.refused, m) }
func (r *recorder) Denied(m svirt.Measured)   { r.add(&r.denied, m) }

func explainMachine(path string) *svirt.Domain {
	return &svirt.Domain{UUID: explainUUID, Name: "web", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{
		{ID: "vda", Image: svirt.Image{Path: path, Format: "raw"}},
	}}}
}

// TestMetrics: each thing that is done is told once, with its machine and size,
// and so is what fails.
func TestMetrics(t *testing.T) {
	ctx, r, kernel, broken := t.Context(), &recorder{}, svirttest.NewKernel(nil), errors.New("broken")
	var fail svirttest.Op
	kernel.Intercept = func(_ context.Context, c svirttest.Call) error {
		if c.Op == fail {
			return broken
		}
		return nil
	}
	m, err := svirt.New(ctx, svirt.ManagerOptions{Dir: t.TempDir(), Driver: kernel, Derive: svirt.Options{FS: explainHost}, Metrics: r})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var path *svirt.PathError
	if err := m.Create(ctx, explainMachine("/etc/shadow")); !errors.As(err, &path) {
		t.Fatal(err)
	}
	for _, fail = range []svirttest.Op{svirttest.OpCompile, svirttest.OpLoad} {
		if err := m.Create(ctx, explainMachine("/srv/vm/web.raw")); !errors.Is(err, broken) {
			t.Fatal(fail, err)
		}
	}
	fail = ""
	if err := m.Create(ctx, explainMachine("/srv/vm/web.raw")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Explain(ctx, denial(t, `operation="capable" class="cap" capability=21 capname="sys_admin"`)); err != nil {
		t.Fatal(err)
	}
	if len(r.refused) != 1 || !errors.As(r.refused[0].Err, &path) {
		t.Errorf("refused: %+v", r.refused)
	}
	if len(r.denied) != 1 || r.denied[0].Class != "cap" {
		t.Errorf("denied: %+v", r.denied)
	}
	// The last one is that of Explain.
	if len(r.compiled) != 4 || !errors.Is(r.compiled[0].Err, broken) || r.compiled[2].Err != nil || r.compiled[2].Bytes == 0 || r.compiled[2].Duration <= 0 {
		t.Errorf("compiled: %+v", r.compiled)
	}
	if len(r.loaded) != 2 || !errors.Is(r.loaded[0].Err, broken) || r.loaded[1].Err != nil || r.loaded[1].Bytes != len(kernel.Policy(explainUUID).Bytes()) {
		t.Errorf("loaded: %+v", r.loaded)
	}
	for _, list := range [][]svirt.Measured{r.compiled, r.loaded, r.refused, r.denied} {
		for _, x := range list {
			if x.UUID != explainUUID || x.Profile != explainProfile {
				t.Errorf("%+v", x)
			}
		}
	}
}

// TestLogger: everything is told to the Manager's logger, nothing to that of the
// program, and no attribute has a blank in its name.
func TestLogger(t *testing.T) {
	var stray, log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&stray, nil)))
	defer slog.SetDefault(before)
	ctx := t.Context()
	for _, driver := range []svirt.Driver{svirt.None{}, svirttest.NewKernel(nil)} {
		m, err := svirt.New(ctx, svirt.ManagerOptions{
			Dir: t.TempDir(), Driver: driver, Derive: svirt.Options{FS: explainHost}, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Create(ctx, explainMachine("/etc/shadow")); err == nil {
			t.Fatal("a machine with /etc/shadow was created")
		}
		if err := m.Create(ctx, explainMachine("/srv/vm/web.raw")); err != nil {
			t.Fatal(err)
		}
		if err := m.Load(ctx, explainUUID); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, "true")
		if err := m.Start(ctx, explainUUID, cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Remove(ctx, explainUUID), m.Close()); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		seen[fields["msg"].(string)]++
		for key := range fields {
			if strings.ContainsAny(key, " \t") || key != strings.ToLower(key) {
				t.Errorf("attribute %q", key)
			}
		}
	}
	for msg, want := range map[string]int{
		"machine created": 2, "machine loaded": 2, "machine started": 2, "machine refused": 2, "machine unloaded": 2, "machine removed": 2,
		"starting a machine unconfined: there is no security driver": 1,
	} {
		if seen[msg] != want {
			t.Errorf("%q: %d times, want %d", msg, seen[msg], want)
		}
	}
	if stray.Len() > 0 {
		t.Errorf("slog.Default was told: %s", stray.String())
	}
}
