// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
)

// What is pushed is a manifest with a layer for each kernel.
const (
	artifactType = "application/vnd.goarmor.apparmor.bases.v1"
	layerType    = "application/vnd.goarmor.apparmor.base.v1"
	// featuresKey annotates a layer with the number of the features that it was
	// compiled for (features.Set.ID), in hexadecimal.
	featuresKey = "com.github.goarmor.apparmor.features"
	// created is in each manifest, so that the same policy has the same digest,
	// whenever it is pushed.
	created = "1970-01-01T00:00:00Z"
)

// maxManifest and maxLayer bound what a registry may have a node read, in bytes.
const (
	maxManifest = 1 << 20
	maxLayer    = 64 << 20
)

//go:embed machine.aa
var machine string

// profiles are what all machines have, as one kernel enforces it. They come with the
// program: a node has them, too, and compiles them if nothing that was pushed fits.
func profiles(ctx context.Context, kernel *features.Set) (*policy.Set, error) {
	roots := []fs.FS{svirt.PolicyFS()}
	unit, err := parser.Config{Roots: roots}.ParseTree(ctx, "machine.aa", machine)
	if err != nil {
		return nil, err
	}
	return policy.Resolve(ctx, unit, policy.Options{Roots: roots, Kernel: kernel})
}

// options are the same for who pushes and for nodes.
func options(kernel *features.Set) compile.Options {
	return compile.Options{Kernel: kernel, Degrade: compile.Report}
}

// newBase compiles the profile for a kernel.
func newBase(ctx context.Context, kernel *features.Set) (*compile.Base, error) {
	set, err := profiles(ctx, kernel)
	if err != nil {
		return nil, err
	}
	return compile.NewBase(ctx, set, options(kernel))
}

func id(kernel *features.Set) string {
	sum := kernel.ID()
	return hex.EncodeToString(sum[:])
}

// push compiles the profile for each kernel and pushes all under a tag. It returns
// the digest of the manifest.
func push(ctx context.Context, to oras.Target, tag string, kernels []*features.Set) (digest.Digest, error) {
	o := oras.PackManifestOptions{ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: created}}
	for _, k := range kernels {
		base, err := newBase(ctx, k)
		if err != nil {
			return "", err
		}
		data, err := base.AppendBinary(nil)
		if err != nil {
			return "", err
		}
		layer := ocispec.Descriptor{MediaType: layerType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		switch there, err := to.Exists(ctx, layer); {
		case err != nil:
			return "", err
		case !there:
			if err := to.Push(ctx, layer, bytes.NewReader(data)); err != nil {
				return "", err
			}
		}
		layer.Annotations = map[string]string{featuresKey: id(k)}
		o.Layers = append(o.Layers, layer)
	}
	manifest, err := oras.PackManifest(ctx, to, oras.PackManifestVersion1_1, artifactType, o)
	if err != nil {
		return "", err
	}
	return manifest.Digest, to.Tag(ctx, manifest, tag)
}

// errNoBase says that nothing was pushed for a kernel.
var errNoBase = errors.New("nothing was pushed for this kernel")

// layerFor returns the layer for a kernel.
func layerFor(m *ocispec.Manifest, kernel *features.Set) (ocispec.Descriptor, error) {
	if m.ArtifactType != artifactType {
		return ocispec.Descriptor{}, fmt.Errorf("the manifest is of %q, not of %s", m.ArtifactType, artifactType)
	}
	for _, l := range m.Layers {
		if l.MediaType == layerType && l.Annotations[featuresKey] == id(kernel) {
			if l.Size > maxLayer {
				return ocispec.Descriptor{}, fmt.Errorf("the layer has %d bytes, at most %d are read", l.Size, maxLayer)
			}
			return l, nil
		}
	}
	return ocispec.Descriptor{}, errNoBase
}
