// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader/loadertest"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

func series(t *testing.T, names ...string) []*features.Set {
	t.Helper()
	var sets []*features.Set
	for _, n := range names {
		set, ok := features.Kernel(n)
		if !ok {
			t.Fatalf("the features of %s are unknown", n)
		}
		sets = append(sets, set)
	}
	return sets
}

func domain(i int) *svirt.Domain {
	return &svirt.Domain{
		UUID: fmt.Sprintf("7d3e5a34-1c0f-4f4e-9d0a-%012d", i), Name: fmt.Sprint("vm", i),
		Devices: svirt.Devices{
			Programs: []svirt.Program{{ID: "vmm", Path: "/usr/bin/vmm"}},
			Disks:    []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: fmt.Sprintf("/srv/vm%d.raw", i), Format: "raw"}}},
		},
	}
}

func images(n int) fstest.MapFS {
	files := fstest.MapFS{"usr/bin/vmm": {Mode: 0o755, Data: []byte("\x7fELF")}}
	for i := range n {
		files[fmt.Sprintf("srv/vm%d.raw", i)] = &fstest.MapFile{Mode: 0o600, Data: make([]byte, 512)}
	}
	return files
}

// registry is one in memory, which a test can have lie.
type registry struct {
	*memory.Store
	fetched []digest.Digest
	lie     func(desc ocispec.Descriptor, data []byte) []byte
}

func (r *registry) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	r.fetched = append(r.fetched, desc.Digest)
	f, err := r.Store.Fetch(ctx, desc)
	if err != nil || r.lie == nil {
		return f, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return io.NopCloser(bytes.NewReader(r.lie(desc, data))), err
}

// pushed is what was pushed, and where.
func pushed(t *testing.T, kernels ...string) (*registry, digest.Digest) {
	t.Helper()
	r := &registry{Store: memory.New()}
	of, err := push(t.Context(), r, "v1", series(t, kernels...))
	if err != nil {
		t.Fatal(err)
	}
	// A registry knows manifests by their digests, too.
	desc, err := r.Store.Resolve(t.Context(), "v1")
	if err == nil {
		err = r.Store.Tag(t.Context(), desc, of.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, of
}

func newNode(t *testing.T, r *registry, kernel string) (*node, *loadertest.Kernel, *bytes.Buffer) {
	t.Helper()
	k := loadertest.NewKernel(series(t, kernel)[0])
	var log bytes.Buffer
	return &node{kernel: k, local: memory.New(), remote: r, log: slog.New(slog.NewTextHandler(&log, nil))}, k, &log
}

// TestFleet has nodes with two kernels confine machines with what was pushed for
// theirs, and one with a third kernel compile it.
func TestFleet(t *testing.T) {
	r, of := pushed(t, "6.12", "7.3")
	for _, kernel := range []string{"6.12", "7.3", "6.1"} {
		n, k, log := newNode(t, r, kernel)
		if err := n.open(t.Context(), of.String()); err != nil {
			t.Fatal(err)
		}
		if want := kernel != "6.1"; n.pulled != want {
			t.Errorf("%s: pulled: %v\n%s", kernel, n.pulled, log)
		}
		for i := range 3 {
			if err := n.load(t.Context(), domain(i), images(3)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			for disk := range 3 {
				ok, err := k.Allows(prefix+domain(i).UUID, query.File{Path: fmt.Sprintf("/srv/vm%d.raw", disk), Perms: query.Write})
				if err != nil || ok != (i == disk) {
					t.Errorf("%s: machine %d, disk %d: %v, %v", kernel, i, disk, ok, err)
				}
			}
		}
		// It is what the node would have compiled.
		written := k.Written()
		own, err := newBase(t.Context(), series(t, kernel)[0])
		if err != nil {
			t.Fatal(err)
		}
		n.base = own
		if err := n.load(t.Context(), domain(1), images(3)); err != nil || len(k.Written()) != len(written) {
			t.Errorf("%s: other bytes than the node's own: %v", kernel, err)
		}
	}
}

// TestSameDigest pushes twice: what is the same has the same digest.
func TestSameDigest(t *testing.T) {
	r, of := pushed(t, "6.12", "7.3")
	again, err := push(t.Context(), r, "v2", series(t, "6.12", "7.3"))
	if err != nil || again != of {
		t.Errorf("%s, %v, want %s", again, err, of)
	}
	if other, err := push(t.Context(), r, "v3", series(t, "6.12")); err != nil || other == of {
		t.Errorf("other policy: %s, %v", other, err)
	}
}

// TestCached starts a node again without the registry.
func TestCached(t *testing.T) {
	r, of := pushed(t, "6.12", "7.3")
	n, _, _ := newNode(t, r, "7.3")
	if err := n.open(t.Context(), of.String()); err != nil {
		t.Fatal(err)
	}
	if len(r.fetched) != 2 {
		t.Errorf("fetched %v, want the manifest and one layer", r.fetched)
	}
	// oci.Store knows manifests by digest; the one in memory has tags only.
	desc, err := r.Store.Resolve(t.Context(), "v1")
	if err == nil {
		err = n.local.Tag(t.Context(), desc, of.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	n.remote, n.base = memory.New(), nil
	if err := n.open(t.Context(), of.String()); err != nil || !n.pulled {
		t.Errorf("without the registry: %v", err)
	}
}

// TestHostile has registries that send what was not pushed, and manifests that say
// what is not so. Nothing is loaded then.
func TestHostile(t *testing.T) {
	manifest := func(t *testing.T, r *registry, change func(m *ocispec.Manifest)) digest.Digest {
		t.Helper()
		desc, err := r.Store.Resolve(t.Context(), "v1")
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.Store.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		var m ocispec.Manifest
		if err := errors.Join(json.NewDecoder(f).Decode(&m), f.Close()); err != nil {
			t.Fatal(err)
		}
		change(&m)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		desc = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: int64(len(data))}
		if err := errors.Join(r.Store.Push(t.Context(), desc, bytes.NewReader(data)), r.Store.Tag(t.Context(), desc, desc.Digest.String())); err != nil {
			t.Fatal(err)
		}
		return desc.Digest
	}
	for _, test := range []struct {
		name string
		do   func(t *testing.T, r *registry, of digest.Digest) string
		want string
		is   error
	}{
		{"a tag", func(*testing.T, *registry, digest.Digest) string { return "v1" }, "not a digest", digest.ErrDigestInvalidFormat},
		{"another algorithm", func(*testing.T, *registry, digest.Digest) string { return "md5:d41d8cd98f00b204e9800998ecf8427e" }, "not a digest", nil},
		{"what was not pushed", func(*testing.T, *registry, digest.Digest) string { return digest.FromString("x").String() }, "", errdef.ErrNotFound},
		{"another manifest", func(_ *testing.T, r *registry, of digest.Digest) string {
			r.lie = func(desc ocispec.Descriptor, data []byte) []byte {
				if desc.Digest == of {
					return bytes.ReplaceAll(data, []byte(`"layers"`), []byte(`"Layers"`))
				}
				return data
			}
			return of.String()
		}, "mismatch", nil},
		{"another layer", func(_ *testing.T, r *registry, of digest.Digest) string {
			r.lie = func(desc ocispec.Descriptor, data []byte) []byte {
				if desc.MediaType == layerType {
					data[len(data)-1] ^= 1
				}
				return data
			}
			return of.String()
		}, "mismatch", nil},
		{"half of a layer", func(_ *testing.T, r *registry, of digest.Digest) string {
			r.lie = func(desc ocispec.Descriptor, data []byte) []byte {
				if desc.MediaType == layerType {
					return data[:len(data)/2]
				}
				return data
			}
			return of.String()
		}, "EOF", nil},
		{"a manifest of something else", func(t *testing.T, r *registry, _ digest.Digest) string {
			return manifest(t, r, func(m *ocispec.Manifest) { m.ArtifactType = "application/vnd.example" }).String()
		}, "vnd.example", nil},
		{"a layer that is too large", func(t *testing.T, r *registry, _ digest.Digest) string {
			return manifest(t, r, func(m *ocispec.Manifest) {
				for i := range m.Layers {
					m.Layers[i].Size = maxLayer + 1
				}
			}).String()
		}, "at most", nil},
		{"the layer of another kernel", func(t *testing.T, r *registry, _ digest.Digest) string {
			return manifest(t, r, func(m *ocispec.Manifest) {
				m.Layers[0].Annotations, m.Layers[1].Annotations = m.Layers[1].Annotations, m.Layers[0].Annotations
			}).String()
		}, "compiling on the node", nil},
		{"a layer of something else", func(t *testing.T, r *registry, _ digest.Digest) string {
			data := []byte("not a base")
			desc := ocispec.Descriptor{MediaType: layerType, Digest: digest.FromBytes(data), Size: int64(len(data))}
			if err := r.Store.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			return manifest(t, r, func(m *ocispec.Manifest) {
				for i := range m.Layers {
					m.Layers[i].Digest, m.Layers[i].Size = desc.Digest, desc.Size
				}
			}).String()
		}, "", compile.ErrSavedDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, of := pushed(t, "6.12", "7.3")
			reference := test.do(t, r, of)
			n, k, log := newNode(t, r, "6.12")
			err := n.open(t.Context(), reference)
			if test.want == "compiling on the node" {
				// It fits nothing, so it is not used, and the node does without.
				if err != nil || n.pulled || !strings.Contains(log.String(), test.want) {
					t.Errorf("%v, pulled: %v\n%s", err, n.pulled, log)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v, want %q, %v", err, test.want, test.is)
			}
			if n.base != nil || len(k.Written()) > 0 {
				t.Errorf("there is a base, and %d policies", len(k.Written()))
			}
		})
	}
}

// TestUsage has wrong arguments.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"pull"}, {"push"}, {"push", "-to", "x"}, {"push", "-to", "localhost:1/a:v1", "-kernels", "5.4"},
		{"load"}, {"load", "-from", "localhost:1/a@sha256:0"}, {"load", "-nonsense"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// BenchmarkOpen compares opening what was pulled with compiling it.
func BenchmarkOpen(b *testing.B) {
	set, _ := features.Kernel("6.12")
	base, err := newBase(b.Context(), set)
	if err != nil {
		b.Fatal(err)
	}
	data, err := base.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := compile.OpenBase(b.Context(), data, compile.OpenOptions{Options: options(set)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			if _, err := newBase(b.Context(), set); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var _ oras.Target = (*registry)(nil)
