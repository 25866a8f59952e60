// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/svirt"
)

// buffer is a log that is read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// take returns the lines since the last time, those about requests by themselves.
func (b *buffer) take() (requests, others []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		if strings.Contains(line, `"msg":"request"`) {
			requests = append(requests, line)
		} else {
			others = append(others, line)
		}
	}
	b.text.Reset()
	return requests, others
}

// TestRecord reads what is logged: one line for each request, with who asks, for
// what and the verdict, whatever the request has in it, and none of its secrets.
func TestRecord(t *testing.T) {
	log := &buffer{}
	h := newHost(t, func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(log, nil))
		o.Limits.RequestBytes = 256 << 10
	})
	ctx, a := t.Context(), h.as(alice)
	raw := func(text string) func() error {
		return func() error { _, err := a.send(ctx, []byte(text)); return err }
	}
	const evil = "\n{\"msg\":\"request\",\"verdict\":\"done\",\"uid\":0}\n\x1b[2J\u202e"
	quoted := func(s string) string {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, tt := range []struct {
		name               string
		do                 func() error
		op, machine, error string // the last one is a part
	}{
		{"create", func() error { return a.Create(ctx, domain(first, h.path("alice/disk.img"))) }, "create", first, ""},
		{"status", func() error { _, err := a.Status(ctx, first); return err }, "status", first, ""},
		{"list", func() error { _, err := a.List(ctx); return err }, "list", "", ""},
		{"update", func() error {
			_, err := a.Update(ctx, first, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{disk("vdb", h.path("secret"))}}})
			return err
		}, "update", first, "secret"},
		{"replace", func() error { return a.Replace(ctx, domain(first, "/etc/shadow")) }, "replace", first, "/etc/shadow"},
		{"ready", func() error { _, err := a.Ready(ctx, first, ""); return err }, "start", first, ""},
		{"remove", func() error { return a.Remove(ctx, first, RemoveOptions{}) }, "remove", first, ""},
		{"gone", func() error { return a.Remove(ctx, first, RemoveOptions{}) }, "remove", first, "no such machine"},
		{"no namespace", func() error { _, err := a.Namespace(ctx); return err }, "namespace", "", "not served"},

		{"a machine's hostile number", func() error { _, err := a.Status(ctx, evil); return err }, "status", evil, "uuid"},
		{"a description's", func() error { return a.Create(ctx, domain(evil, h.path("alice/disk.img"))) }, "create", evil, "uuid"},
		{"a hostile op", raw(`{"op":` + quoted(evil) + `}`), evil, "", "unknown request"},
		{"a hostile field", raw(`{"op":"list",` + quoted(evil) + `:1}`), "", "", "unknown field"},
		{"a long op", raw(`{"op":"` + strings.Repeat("\u00e4", 50<<10) + `"}`), strings.Repeat("\u00e4", 512) + "...", "", "unknown request"},
		{"a long request", raw(strings.Repeat("x", 300<<10)), "", "", "bytes of a request"},
		{"no request", raw(""), "", "", "JSON"},
		{"a number for a name", raw(`{"op":"create","domain":{"uuid":7,"password":"hunter2"}}`), "create", "", "cannot be read"},
		{"a secret", raw(`{"op":"create","domain":{"uuid":"` + second + `","name":"m2","password":"hunter2"}}`), "create", second, "password"},
		{"a secret that is not read", raw(`{"op":"update","machine":"` + second + `","change":{"add":"hunter2"}}`), "update", second, "cannot be read"},
		{"a compiled policy", raw(`{"op":"load","profile":"libvirt-` + first + `","policy":"aHVudGVyMg=="}`), "load", "", "not served"},
	} {
		log.take()
		err := tt.do()
		if (err == nil) != (tt.error == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
		requests, others := log.take()
		if len(requests) != 1 {
			t.Errorf("%s: %d lines: %q", tt.name, len(requests), requests)
			continue
		}
		line := requests[0]
		var got struct {
			Level, Verdict, Op, Machine, Error string
			UID, PID                           int
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Errorf("%s: %v: %s", tt.name, err, line)
		}
		verdict, level := "done", "INFO"
		if tt.error != "" {
			verdict, level = "refused", "WARN"
		}
		if got.Verdict != verdict || got.Level != level || got.UID != alice || got.PID != os.Getpid() || got.Op != tt.op || got.Machine != tt.machine ||
			!strings.Contains(got.Error, tt.error) || tt.error == "" && got.Error != "" {
			t.Errorf("%s: %s", tt.name, line)
		}
		for _, l := range append(others, line) {
			if strings.Contains(l, "hunter2") || strings.Contains(l, "aHVudGVyMg") || len(l) > 5<<10 || strings.Contains(l, "\x1b") {
				t.Errorf("%s: %s", tt.name, l)
			}
		}
	}
	// The daemon's own form of lines.
	var text bytes.Buffer
	h.log.Reset()
	b := &Broker{log: slog.New(slog.NewTextHandler(&text, nil))}
	b.record(ctx, Peer{UID: alice, PID: 7}, nil, errors.New("an error"+evil))
	if n := strings.Count(text.String(), "\n"); n != 1 || strings.Contains(text.String(), "\x1b") || !strings.Contains(text.String(), " msg=request verdict=refused uid=41001 pid=7 error=\"an error") {
		t.Errorf("%s", &text)
	}
}

// TestRecordNoPeer reads what is logged of those who are not served.
func TestRecordNoPeer(t *testing.T) {
	log := &buffer{}
	h := newHost(t, func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(log, nil))
		o.Allow = func(p Peer) error { return fmt.Errorf("user %d: %w", p.UID, ErrNoPeer) }
	})
	if _, err := h.as(bob).List(t.Context()); !errors.Is(err, ErrNoPeer) {
		t.Errorf("%v", err)
	}
	if requests, others := log.take(); len(requests) != 1 || len(others) != 0 || !strings.Contains(requests[0], `"verdict":"refused","uid":41002,`) {
		t.Errorf("%q, %q", requests, others)
	}
}

// TestNamespace asks for policy namespaces.
func TestNamespace(t *testing.T) {
	ctx := t.Context()
	if _, err := newHost(t, nil).as(alice).Namespace(ctx); !errors.Is(err, ErrNoPeer) {
		t.Errorf("without the option: %v", err)
	}
	only := func(o *Options) {
		o.Namespaces = func(p Peer) error {
			if p.UID != alice {
				return fmt.Errorf("user %d: %w", p.UID, ErrNoPeer)
			}
			return nil
		}
	}
	if _, err := newHost(t, only).as(alice).Namespace(ctx); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a driver without namespaces: %v", err)
	}
	var made []string
	var fails error
	h := newHost(t, only, func(b *Broker) {
		b.namespace = func(_ context.Context, name string) error { made = append(made, name); return fails }
	})
	for range 2 {
		if name, err := h.as(alice).Namespace(ctx); name != "libvirt-session-41001" || err != nil {
			t.Errorf("%q, %v", name, err)
		}
	}
	if _, err := h.as(bob).Namespace(ctx); !errors.Is(err, ErrNoPeer) {
		t.Errorf("another user: %v", err)
	}
	if _, err := h.as(alice).send(ctx, []byte(`{"op":"namespace","machine":"`+first+`"}`)); err == nil {
		t.Error("a namespace has a name of the user's")
	}
	if len(made) != 2 || made[0] != "libvirt-session-41001" || made[1] != made[0] {
		t.Errorf("made %q", made)
	}
	fails = os.ErrPermission
	if name, err := h.as(alice).Namespace(ctx); name != "" || !errors.Is(err, os.ErrPermission) {
		t.Errorf("%q, %v", name, err)
	}
}
