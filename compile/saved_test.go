// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/policy"
)

// savedHead is the length of what comes before the values: the magic, the form,
// the checksum, the length.
const savedHead = 8 + 4 + crc32.Size + 8

// sealed puts the right head before values.
func sealed(body []byte) []byte {
	b := append([]byte("aa-base\n"), 2, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(body))), body...)
}

func save(tb testing.TB, b *compile.Base) []byte {
	tb.Helper()
	data, err := b.AppendBinary([]byte("before"))
	if err != nil {
		tb.Fatal(err)
	}
	return data[len("before"):]
}

// TestSavedRandom holds the instances of opened bases against those of the bases
// that were saved.
func TestSavedRandom(t *testing.T) {
	n := uint64(300)
	if testenv.Full() {
		n = 5000
	}
	if testing.Short() {
		n = 80
	}
	added, whole := 0, 0
	for seed := range n {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 12))}
		kernel := oracle.FeatureSet(t, pick(m, k61, k612, k72, k73, suite))
		o := compile.Options{Kernel: kernel, Degrade: compile.Report, KeepDenials: m.IntN(4) == 0}
		top := &policy.Profile{Name: pick(m, "t", "/usr/bin/t"), Rules: m.rules(m.IntN(12))}
		if m.IntN(3) == 0 {
			top.ABI, _ = features.ABI("3.0")
			top.Rlimits = []policy.Rlimit{{Name: "nofile", Value: 12}}
			top.Flags = policy.Flags{Mode: policy.Complain, AttachDisconnected: true}
		}
		set := &policy.Set{Profiles: []*policy.Profile{top}}
		if m.IntN(4) == 0 {
			child := &policy.Profile{Name: top.Name + "//a", Parent: top, Rules: m.rules(3)}
			top.Children = []*policy.Profile{child}
			set.Profiles = append(set.Profiles, child)
		}
		base, err := compile.NewBase(t.Context(), set, o)
		if err != nil {
			continue
		}
		data := save(t, base)
		if !bytes.Equal(data, save(t, base)) {
			t.Fatalf("seed %d: saved twice, the bytes are others", seed)
		}
		alone, err := compile.OpenBase(t.Context(), data, compile.OpenOptions{Options: o})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !bytes.Equal(save(t, alone), data) {
			t.Fatalf("seed %d: saved after it was opened, the bytes are others", seed)
		}
		with, err := compile.OpenBase(t.Context(), data, compile.OpenOptions{
			Options: o, Profiles: func(context.Context) (*policy.Set, error) { return set, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			d := &compile.Delta{Rules: m.rules(m.IntN(8))}
			if m.IntN(2) == 0 {
				d.Name = pick(m, "u", "t", "/bin/u*")
			}
			want, wantErr := base.Instantiate(t.Context(), d)
			got, err := with.Instantiate(t.Context(), d)
			if wantErr != nil || err != nil {
				if err == nil || wantErr == nil || err.Error() != wantErr.Error() {
					t.Fatalf("seed %d: error %v, want %v", seed, err, wantErr)
				}
				continue
			}
			if !bytes.Equal(got.Policy.Bytes(), want.Policy.Bytes()) || got.Whole != want.Whole {
				t.Fatalf("seed %d: another policy (whole: %q, want %q)", seed, got.Whole, want.Whole)
			}
			if !slices.Equal(got.Stats, want.Stats) {
				t.Fatalf("seed %d: %+v, want %+v", seed, got.Stats, want.Stats)
			}
			if len(got.Degraded) != len(want.Degraded) || len(got.Warnings) != len(want.Warnings) {
				t.Fatalf("seed %d: %v, %v, want %v, %v", seed, got.Degraded, got.Warnings, want.Degraded, want.Warnings)
			}
			for i, d := range got.Degraded {
				if d.String() != want.Degraded[i].String() {
					t.Errorf("seed %d: %v, want %v", seed, d, want.Degraded[i])
				}
			}
			for i, w := range got.Warnings {
				if w.Error() != want.Warnings[i].Error() {
					t.Errorf("seed %d: %v, want %v", seed, w, want.Warnings[i])
				}
			}
			stream, err := alone.Append(t.Context(), nil, d)
			var without *compile.WholeError
			switch {
			case want.Whole != "":
				whole++
				if !errors.As(err, &without) || without.Reason != want.Whole {
					t.Fatalf("seed %d: error %v, want one that says %q", seed, err, want.Whole)
				}
			case err != nil || !bytes.Equal(stream, want.Policy.Bytes()):
				t.Fatalf("seed %d: another policy without the profiles (%v)", seed, err)
			default:
				added++
			}
		}
	}
	t.Logf("%d instances added to opened bases, %d compiled as a whole", added, whole)
	if added < int(n) || whole == 0 {
		t.Error("too few")
	}
}

// smallBase is a base with something of everything that is saved.
func smallBase(tb testing.TB, o compile.Options) *compile.Base {
	tb.Helper()
	top := &policy.Profile{Name: "t", Attachment: "/usr/bin/{t,u}"}
	for _, r := range []ast.Rule{
		&ast.FileRule{Path: "/srv/**", Perms: ast.FileRead | ast.FileLock},
		&ast.FileRule{Path: "/bin/*", Perms: ast.FileRead, Exec: ast.ExecProfile, Target: "other"},
		&ast.CapabilityRule{Names: []string{"chown"}},
		&ast.SignalRule{Perms: ast.SignalSend},
		&ast.MountRule{Source: "/dev/sda", Target: "/mnt/"},
	} {
		if err := top.Add(r); err != nil {
			tb.Fatal(err)
		}
	}
	b, err := compile.NewBase(tb.Context(), &policy.Set{Profiles: []*policy.Profile{top}}, o)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestSavedChildren adds a rule that changes the profile to bases that have
// profiles below them: a task may then write more than one attribute file.
func TestSavedChildren(t *testing.T) {
	o := compile.Options{Kernel: oracle.FeatureSet(t, k73)}
	top := &policy.Profile{Name: "t", Rules: []policy.Rule{{Rule: &ast.FileRule{Path: "/a", Perms: ast.FileRead}}}}
	child := &policy.Profile{Name: "t//a", Parent: top}
	under := &policy.Profile{Name: "t//a//b", Parent: child}
	top.Children, child.Children = []*policy.Profile{child}, []*policy.Profile{under}
	base, err := compile.NewBase(t.Context(), &policy.Set{Profiles: []*policy.Profile{top, child, under}}, o)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := compile.OpenBase(t.Context(), save(t, base), compile.OpenOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	d := &compile.Delta{Name: "u", Rules: []policy.Rule{{Rule: &ast.ChangeProfileRule{Target: "x"}}}}
	want, err := base.Instantiate(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := opened.Instantiate(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if got.Stats[0] != want.Stats[0] || !bytes.Equal(got.Policy.Bytes(), want.Policy.Bytes()) {
		t.Errorf("another policy, of %+v, want %+v", got.Stats[0], want.Stats[0])
	}
}

// TestSavedOften makes so many instances of an opened base that what its states
// store is no longer looked for in the tables: all are the same bytes.
func TestSavedOften(t *testing.T) {
	for _, kernel := range []string{k612, k73} {
		o := compile.Options{Kernel: oracle.FeatureSet(t, kernel), Degrade: compile.Report}
		base := smallBase(t, o)
		opened, err := compile.OpenBase(t.Context(), save(t, base), compile.OpenOptions{Options: o})
		if err != nil {
			t.Fatal(err)
		}
		d := &compile.Delta{Name: "u", Rules: []policy.Rule{
			{Rule: &ast.FileRule{Path: "/srv/{a,b}*c/**", Perms: ast.FileRead | ast.FileWrite}},
			{Rule: &ast.FileRule{Path: "/usr/bin/*x", Perms: ast.FileRead, Exec: ast.ExecInherit}},
		}}
		want, err := base.Append(t.Context(), nil, d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1200 {
			got, err := opened.Append(t.Context(), nil, d)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: instance %d is another one, %v", kernel, i, err)
			}
		}
	}
}

// TestSavedRefused tries what does not fit.
func TestSavedRefused(t *testing.T) {
	o := compile.Options{Kernel: oracle.FeatureSet(t, k612), Degrade: compile.Report}
	base := smallBase(t, o)
	data := save(t, base)
	open := func(data []byte, change func(*compile.OpenOptions)) error {
		opened, err := compile.OpenBase(t.Context(), data, func() compile.OpenOptions {
			x := compile.OpenOptions{Options: o}
			if change != nil {
				change(&x)
			}
			return x
		}())
		if (opened == nil) != (err != nil) {
			t.Errorf("a base and an error, or neither: %v", err)
		}
		return err
	}
	if err := open(data, nil); err != nil {
		t.Fatal(err)
	}
	body := data[savedHead:]
	for _, c := range []struct {
		name   string
		data   []byte
		change func(*compile.OpenOptions)
		want   error
		says   string
	}{
		{"nothing", nil, nil, compile.ErrSavedDamaged, "begin"},
		{"a text", []byte(strings.Repeat("policy ", 20)), nil, compile.ErrSavedDamaged, "begin"},
		{"the head alone", data[:savedHead], nil, compile.ErrSavedDamaged, "0 bytes"},
		{"cut off", data[:len(data)-1], nil, compile.ErrSavedDamaged, "bytes after its head"},
		{"a byte more", append(bytes.Clone(data), 0), nil, compile.ErrSavedDamaged, "bytes after its head"},
		{"cut off and sealed", sealed(body[:len(body)-1]), nil, compile.ErrSavedDamaged, "cut off"},
		{"a byte more and sealed", sealed(append(bytes.Clone(body), 0)), nil, compile.ErrSavedDamaged, "more after"},
		{"the first form", bytes.Replace(data, []byte("\n\x02"), []byte("\n\x01"), 1), nil, compile.ErrSavedOther, "form 1"},
		{"a form to come", bytes.Replace(data, []byte("\n\x02"), []byte("\n\x03"), 1), nil, compile.ErrSavedOther, "form 3"},
		{"another version", sealed(append([]byte("\x03v99"), body[1+int(body[0]):]...)), nil, compile.ErrSavedOther, "v99"},
		{"another kernel", data, func(x *compile.OpenOptions) { x.Kernel = oracle.FeatureSet(t, k73) }, compile.ErrSavedOther, "features"},
		{"other options", data, func(x *compile.OpenOptions) { x.Degrade = compile.Strict }, compile.ErrSavedOther, "options"},
		{"other options", data, func(x *compile.OpenOptions) { x.KeepDenials = true }, compile.ErrSavedOther, "options"},
		{"other options", data, func(x *compile.OpenOptions) { x.PlainNames = true }, compile.ErrSavedOther, "options"},
		{"too large", data, func(x *compile.OpenOptions) { x.Limits.Bytes = 100 }, diag.ErrLimit, ""},
		{"too much memory", data, func(x *compile.OpenOptions) { x.Limits.Memory = 1000 }, diag.ErrLimit, ""},
		{"too many states", data, func(x *compile.OpenOptions) { x.Limits.States = 5 }, diag.ErrLimit, ""},
		{"too much work", data, func(x *compile.OpenOptions) { x.Limits.Work = 5 }, diag.ErrLimit, ""},
		{"no kernel", data, func(x *compile.OpenOptions) { x.Kernel = nil }, compile.ErrNoKernel, ""},
	} {
		err := open(c.data, c.change)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		other := bytes.Clone(data)
		other[r.IntN(len(other))] ^= 1 << r.IntN(8)
		if err := open(other, nil); err == nil {
			t.Fatal("a base with a bit flipped was opened")
		}
	}
	// Profiles that have changed since are not taken.
	opened, err := compile.OpenBase(t.Context(), data, compile.OpenOptions{Options: o, Profiles: func(context.Context) (*policy.Set, error) {
		return &policy.Set{Profiles: []*policy.Profile{{Name: "t"}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Instantiate(t.Context(), &compile.Delta{Flags: &policy.Flags{Mode: policy.Unconfined}}); !errors.Is(err, compile.ErrSavedProfiles) {
		t.Errorf("other profiles: %v", err)
	}
}

// FuzzOpenBase opens values with the right checksum. What is opened makes
// policy that passes the verifier.
func FuzzOpenBase(f *testing.F) {
	for _, kernel := range []string{k612, k73} {
		o := compile.Options{Kernel: oracle.FeatureSet(f, kernel), Degrade: compile.Report}
		f.Add(save(f, smallBase(f, o))[savedHead:])
	}
	sets := []*features.Set{oracle.FeatureSet(f, k612), oracle.FeatureSet(f, k73)}
	d := &compile.Delta{Name: "u", Rules: []policy.Rule{
		{Rule: &ast.FileRule{Path: "/srv/x", Perms: ast.FileRead | ast.FileWrite}},
		{Rule: &ast.FileRule{Path: "/usr/**/y", Perms: ast.FileRead, Exec: ast.ExecChild, Target: "c"}},
		{Rule: &ast.CapabilityRule{Names: []string{"kill"}}},
		{Rule: &ast.SignalRule{Perms: ast.SignalReceive}},
	}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, kernel := range sets {
			o := compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: compile.Untrusted()}
			b, err := compile.OpenBase(t.Context(), sealed(body), compile.OpenOptions{Options: o})
			if err != nil {
				var saved *compile.SavedError
				if !errors.As(err, &saved) && !errors.Is(err, diag.ErrLimit) {
					t.Fatalf("error of another type: %v", err)
				}
				continue
			}
			i, err := b.Instantiate(t.Context(), d)
			if err != nil {
				continue
			}
			if p, err := blob.Inspect(i.Policy.Bytes()); err != nil || p.Check(blob.LimitsOf(kernel)) != nil {
				t.Fatalf("an instance does not pass: %v", err)
			}
		}
	})
}
