// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/upstream"
)

// kernelLimits are those of the kernels that the reference blobs are for.
var kernelLimits = map[string]blob.KernelLimits{
	"6.1":  {MaxABI: 8, Disconnected: true},
	"6.12": {MaxABI: 9, Prompt: true, Disconnected: true},
	"7.3": {MaxABI: 9, PermTables: 3, Wide: true, DiffEncode: true, Prompt: true,
		Disconnected: true, Kill: true, CapsExtended: true},
}

type reference struct {
	kernel, name string
	data         []byte
}

var loadReferences = sync.OnceValue(func() func(testing.TB) []reference {
	var refs []reference
	var once sync.Once
	return func(tb testing.TB) []reference {
		tb.Helper()
		once.Do(func() {
			for _, release := range upstream.Releases(tb) {
				for _, name := range release.Sample() {
					for _, kernel := range []string{"6.1", "6.12", "7.3"} {
						refs = append(refs, reference{kernel, release.Name + "/" + name, release.Compiled(tb, kernel, name)})
					}
				}
			}
			slices.SortFunc(refs, func(a, b reference) int {
				return strings.Compare(a.name+"\x00"+a.kernel, b.name+"\x00"+b.kernel)
			})
		})
		return refs
	}
})

func references(tb testing.TB) []reference {
	tb.Helper()
	refs := loadReferences()(tb)
	if len(refs) < 100 {
		tb.Skip("the reference blobs could not be made; see the first test that needs them")
	}
	return refs
}

// TestReferenceBlobs decodes what apparmor_parser compiled and writes it
// again: the bytes must be the same.
func TestReferenceBlobs(t *testing.T) {
	same := 0
	for _, ref := range references(t) {
		p, err := blob.Inspect(ref.data)
		if err != nil {
			t.Errorf("%s for %s: %v", ref.name, ref.kernel, err)
			continue
		}
		if !bytes.Equal(p.Bytes(), ref.data) {
			t.Errorf("%s for %s: Bytes differs from the input", ref.name, ref.kernel)
		}
		checkReference(t, ref, p)
		again, err := blob.Encode(p.Profiles())
		if err != nil {
			t.Errorf("%s for %s: encode: %v", ref.name, ref.kernel, err)
			continue
		}
		if !bytes.Equal(again.Bytes(), ref.data) {
			t.Errorf("%s for %s: encoded differently (%d bytes for %d)", ref.name, ref.kernel, again.Len(), len(ref.data))
			continue
		}
		same++
	}
	t.Logf("%d of %d blobs encode to the same bytes", same, len(references(t)))
}

// checkReference asks whether the kernel that the reference was compiled for
// takes it. Where apparmor_parser 6.0 does not look at the kernel's features it
// writes what that kernel does not know, or gets wrong.
func checkReference(t *testing.T, ref reference, p *blob.Policy) {
	t.Helper()
	diffAttach := false
	for _, q := range p.Profiles() {
		diffAttach = diffAttach || q.XMatch != nil && q.XMatch.DFA.Flags&blob.FlagDiff != 0
	}
	want := ""
	if ref.kernel == "7.3" && diffAttach {
		want = "xmatch"
	}
	got := ""
	var kernel *blob.KernelError
	if err := p.Check(kernelLimits[ref.kernel]); errors.As(err, &kernel) {
		got = kernel.Member
		if !errors.Is(err, blob.ErrKernel) {
			t.Errorf("%v does not match ErrKernel", err)
		}
	}
	if got != want {
		t.Errorf("%s for %s: Check objects to %q, want %q", ref.name, ref.kernel, got, want)
	}
}

// TestReferenceDiff compares each reference with itself, and the kernels'
// versions of a profile with each other.
func TestReferenceDiff(t *testing.T) {
	differ := map[string]int{}
	byName := map[string]map[string]*blob.Policy{}
	for _, ref := range references(t) {
		p, err := blob.Inspect(ref.data)
		if err != nil {
			t.Fatal(err)
		}
		if byName[ref.name] == nil {
			byName[ref.name] = map[string]*blob.Policy{}
		}
		byName[ref.name][ref.kernel] = p
		d, err := blob.DiffPolicy(p, p, blob.DiffOptions{Strict: true})
		if err != nil || len(d) > 0 {
			t.Errorf("%s for %s differs from itself: %v %v", ref.name, ref.kernel, d, err)
		}
	}
	for name, p := range byName {
		for _, pair := range [][2]string{{"6.1", "6.12"}, {"6.12", "7.3"}} {
			d, err := blob.DiffPolicy(p[pair[0]], p[pair[1]], blob.DiffOptions{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(d) > 0 {
				differ[pair[0]+"-"+pair[1]]++
			}
			for _, e := range d {
				if !kernelsMayDiffer(pair[0], e) {
					t.Errorf("%s, %v: %v", name, pair, e)
				}
			}
		}
	}
	// User namespaces are new in 6.12 for every profile; sockets and buses in
	// 7.3 for those that confine.
	if differ["6.1-6.12"] != len(byName) || differ["6.12-7.3"] < len(byName)/2 {
		t.Errorf("differences in %v profiles", differ)
	}
}

// kernelsMayDiffer tells whether the difference is one of features: of the
// kernel named and the next one. Files, attachments and members never differ.
func kernelsMayDiffer(kernel string, d blob.Difference) bool {
	if d.Part != blob.PartPolicydb {
		return false
	}
	if d.Member != "" {
		return kernel == "6.1" // profiles that mediate nothing else
	}
	class := blob.Class(d.Input[0])
	if kernel == "6.1" {
		return class == blob.ClassNamespaces || class == blob.ClassIOUring
	}
	return class == blob.ClassNet || class == blob.ClassNetV9 || class == blob.ClassDBus
}
