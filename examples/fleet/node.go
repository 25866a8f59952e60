// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
)

// prefix is what the names of the fleet's profiles begin with.
const prefix = "fleet-"

// ours reports whether a profile is the fleet's: no other one may be replaced,
// whatever was pulled.
func ours(name string) bool { return strings.HasPrefix(name, prefix) }

// kernel is what a node needs of one: a loader.Kernel, or one in memory.
type kernel interface {
	Features(ctx context.Context) (*features.Set, error)
	Ensure(ctx context.Context, p *blob.Policy) (changed bool, err error)
}

// node confines machines.
type node struct {
	kernel kernel
	local  oras.Target         // what was pulled
	remote oras.ReadOnlyTarget // the registry
	log    *slog.Logger

	base   *compile.Base
	pulled bool // the base is what was pushed
}

// open makes the node ready to confine machines: with what was pushed, of which
// reference is the digest, or with what it compiles itself if that has nothing for
// this kernel, or was made by another version of this program. Whatever else is
// wrong is an error.
func (n *node) open(ctx context.Context, reference string) error {
	of, err := digest.Parse(reference)
	if err != nil {
		return fmt.Errorf("%q is not a digest, which nodes need: whoever may push can move a tag: %w", reference, err)
	}
	set, err := n.kernel.Features(ctx)
	if err != nil {
		return err
	}
	n.base, err = n.pull(ctx, of, set)
	if n.pulled = err == nil; n.pulled {
		return nil
	}
	if !errors.Is(err, errNoBase) && !errors.Is(err, compile.ErrSavedOther) {
		return err
	}
	n.log.WarnContext(ctx, "compiling on the node", "digest", of, "reason", err.Error())
	n.base, err = newBase(ctx, set)
	return err
}

// pull opens the base for a kernel. Everything is checked against the digest: that
// of the manifest is the caller's, and the manifest has those of the layers.
func (n *node) pull(ctx context.Context, of digest.Digest, set *features.Set) (*compile.Base, error) {
	desc, err := n.find(ctx, of)
	if err != nil {
		return nil, err
	}
	data, err := n.read(ctx, desc, maxManifest)
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	layer, err := layerFor(&m, set)
	if err != nil {
		return nil, err
	}
	if data, err = n.read(ctx, layer, maxLayer); err != nil {
		return nil, err
	}
	return compile.OpenBase(ctx, data, compile.OpenOptions{
		Options:  options(set),
		Profiles: func(ctx context.Context) (*policy.Set, error) { return profiles(ctx, set) },
	})
}

// find returns what is known of a manifest, from what was pulled before if it is
// there. A file system knows its own manifests by their digests.
func (n *node) find(ctx context.Context, of digest.Digest) (ocispec.Descriptor, error) {
	desc, err := n.local.Resolve(ctx, of.String())
	if errors.Is(err, errdef.ErrNotFound) {
		desc, err = n.remote.Resolve(ctx, of.String())
	}
	if err == nil && desc.Digest != of {
		err = fmt.Errorf("the registry has %s for %s", desc.Digest, of)
	}
	return desc, err
}

// read returns something of which the digest is known, and keeps it.
func (n *node) read(ctx context.Context, desc ocispec.Descriptor, most int64) ([]byte, error) {
	if desc.Size < 0 || desc.Size > most {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", desc.Digest, desc.Size, most)
	}
	there, err := n.local.Exists(ctx, desc)
	if err != nil {
		return nil, err
	}
	if there {
		return content.FetchAll(ctx, n.local, desc)
	}
	data, err := content.FetchAll(ctx, n.remote, desc)
	if err != nil {
		return nil, err
	}
	return data, n.local.Push(ctx, desc, bytes.NewReader(data))
}

// load puts a profile of its own in force for a machine.
func (n *node) load(ctx context.Context, d *svirt.Domain, images fs.ReadLinkFS) error {
	rules, err := svirt.Derive(ctx, d, svirt.Options{FS: images})
	if err != nil {
		return err
	}
	file, err := rules.File(ctx, d.UUID)
	if err != nil {
		return err
	}
	var p policy.Profile
	for _, s := range file.Stmts {
		if rule, ok := s.(ast.Rule); ok {
			if err := p.Add(rule); err != nil {
				return err
			}
		}
	}
	for _, w := range rules.Warnings() {
		n.log.WarnContext(ctx, "the machine may lack something", "machine", d.UUID, "device", w.Device.String(), "warning", w.Text, "add", w.Add)
	}
	instance, err := n.base.Instantiate(ctx, &compile.Delta{Name: prefix + d.UUID, Rules: p.Rules})
	if err != nil {
		return err
	}
	changed, err := n.kernel.Ensure(ctx, instance.Policy)
	if err != nil {
		return err
	}
	n.log.InfoContext(ctx, "confined", "profile", prefix+d.UUID, "changed", changed, "bytes", instance.Policy.Len())
	return nil
}
