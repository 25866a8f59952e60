// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// TestMachineBase saves what machines have in common, opens it, and makes of it
// the bytes that a driver makes. Machines that it has no place for are refused.
func TestMachineBase(t *testing.T) {
	for _, kernel := range []string{"6.1", "6.12", "7.3"} {
		set, _ := features.Kernel(kernel)
		o := compile.Options{Kernel: set, Degrade: compile.Report}
		var data []byte
		for i, d := range domainsOfTests() {
			d = numbered(d, i)
			src := source(t, d, derived(t, d, svirt.Options{Live: true}), svirt.PolicyFS())
			if data == nil {
				b, err := svirt.NewMachineBase(t.Context(), src, o)
				if err == nil {
					data, err = b.AppendBinary([]byte("x"))
				}
				if err != nil {
					t.Fatal(err)
				}
				data = data[1:]
			}
			b, err := svirt.OpenMachineBase(t.Context(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			out, err := b.Compile(t.Context(), src.Profile, src.Rules, set)
			if err != nil {
				t.Fatalf("%s on %s: %v", d.Name, kernel, err)
			}
			driver := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
			want, err := driver.Compile(t.Context(), src)
			if err != nil || !bytes.Equal(out.Policy.Bytes(), want.(*blob.Policy).Bytes()) {
				t.Errorf("%s on %s: other bytes than the driver's, %v", d.Name, kernel, err)
			}
		}
	}
}

// TestMachineBaseNamed: rules that say the name of the profile follow it.
func TestMachineBaseNamed(t *testing.T) {
	set, _ := features.Kernel("7.3")
	o := compile.Options{Kernel: set, Degrade: compile.Report}
	src := func(profile, rules string) *svirt.Source {
		text := "profile " + profile + " {\n  signal peer=@{profile_name},\n  \"/run/@{profile_name}/\\*x y\" rw,\n  include if exists <rules>\n  profile child {\n    /x r,\n    unix peer=(label=@{profile_name}),\n  }\n}\n"
		f, err := parser.Config{}.Parse(t.Context(), profile, text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parser.Config{Context: parser.ContextBody}.Parse(t.Context(), "rules", rules)
		if err != nil {
			t.Fatal(err)
		}
		return &svirt.Source{Profile: profile, File: f, Rules: r, Roots: nil}
	}
	one := src("libvirt-0001", "/a r,\n")
	b, err := svirt.NewMachineBase(t.Context(), one, o)
	if err != nil {
		t.Fatal(err)
	}
	two := src("libvirt-0002", "/b w,\n")
	out, err := b.Compile(t.Context(), two.Profile, two.Rules, set)
	if err != nil {
		t.Fatal(err)
	}
	alike(t, out.Policy, two, "7.3")
	for _, bad := range []string{"/@{HOME}/x r,\n", "include <x>\n"} {
		if _, err := b.Compile(t.Context(), two.Profile, src("libvirt-0002", bad).Rules, set); !errors.Is(err, svirt.ErrNoBase) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := b.Compile(t.Context(), "a b", two.Rules, set); !errors.Is(err, svirt.ErrNoBase) {
		t.Errorf("a name with a blank: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := svirt.NewMachineBase(ctx, one, o); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := features.Kernel("6.12")
	for _, tt := range []struct {
		name string
		data []byte
		o    compile.Options
		want error
	}{
		{"nothing", nil, o, compile.ErrSavedDamaged},
		{"half", data[:len(data)/2], o, compile.ErrSavedDamaged},
		{"a length that is not there", append([]byte{255, 255, 255, 255}, data[4:]...), o, compile.ErrSavedDamaged},
		{"another kernel", data, compile.Options{Kernel: other, Degrade: compile.Report}, compile.ErrSavedOther},
	} {
		if _, err := svirt.OpenMachineBase(t.Context(), tt.data, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
