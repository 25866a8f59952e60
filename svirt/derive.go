// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"fmt"
	"slices"

	"github.com/goarmor/apparmor/ast"
)

// Derive returns the rules of a machine. They depend on nothing but its
// arguments and what is in the file system. It is safe for concurrent use.
//
// Under Strict whatever a description names, or what follows from it, is a rule,
// an error or one of the Rules.Warnings.
//
// Under Strict every device that is refused is reported: the error joins a
// *PathError for each, and an *IdentityError for a bad name or UUID. Under
// Compat the first one ends the derivation, as in the reference. No rules come
// with an error. When the context ends first the error matches ErrNoAnswer.
func Derive(ctx context.Context, d *Domain, o Options) (*Rules, error) {
	rules, _, err := derive(ctx, d, &o, surroundings{})
	return rules, err
}

// surroundings is what a Manager knows besides the description.
type surroundings struct {
	managed bool // a Manager asks, which remembers chains
	// companion says that the description is that of a companion.
	companion bool
	// locked is the socket of a companion that has a lock beside it.
	locked  string
	private []string // more of Options.Private
	// chains are those that were found before.
	chains map[Device]chain
}

// chain is what was found below an image, in the image.
type chain struct {
	top   string   // the image
	files []string // real paths, from the top down
}

// derive is Derive. If the context ends first, left is closed when what was
// asked of the file system has ended.
func derive(ctx context.Context, d *Domain, o *Options, within surroundings) (rules *Rules, left <-chan struct{}, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	run := func(d *Domain, o *Options) (*Rules, error) {
		if o.Method == Strict {
			return deriveStrict(ctx, d, o, within)
		}
		rules, err := deriveCompat(d, o)
		if err == nil {
			rules.warnings = sortWarnings(slices.Clone(d.Warnings))
		}
		return rules, err
	}
	if o.FS == nil || ctx.Done() == nil {
		rules, err = run(d, o)
		return rules, nil, err
	}
	type result struct {
		rules *Rules
		err   error
	}
	// The caller may change what it has once this returns.
	mine, options := d.clone(), *o
	done, ended := make(chan result, 1), make(chan struct{})
	go func() {
		defer close(ended)
		rules, err := run(mine, &options)
		done <- result{rules, err}
	}()
	select {
	case r := <-done:
		return r.rules, nil, r.err
	case <-ctx.Done():
		return nil, ended, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
	}
}

// Rules are the rules of one machine, as derived. They are not changed once
// they are made and may be shared.
type Rules struct {
	method   Method
	identity identity // of strict rules
	list     []Rule
	chains   map[Device]chain
	noted    bool            // read from a file that has the chains
	shared   map[Device]bool // disks that other machines may have, too
	text     []byte          // of compat rules, which are text first
	owner    string          // who manages them, for the first line; empty: libvirt
	warnings []Warning
	jail     string // Monitor.Jail
}

// Method returns the method that the rules were derived under.
func (r *Rules) Method() Method { return r.method }

// Warnings returns what the machine may lack of that which its description
// wants, sorted by device and code; nil: nothing is known to be. Rules that were
// read back have none. They must not be changed.
func (r *Rules) Warnings() []Warning { return r.warnings }

// List returns the rules; they must not be changed. Under Strict
// they are sorted by path, then device, and a path that several devices need
// is there once for each of them. Under Compat they are in the order of the
// text, which may have things that are not rules (see Text).
func (r *Rules) List() []Rule { return r.list }

// addVerbatim adds a line of the reference's, its path not escaped.
func (r *Rules) addVerbatim(d Device, path, perms string, deny bool) {
	if deny {
		r.text = append(r.text, "  # don't audit writes to readonly files\n  deny \""...)
	} else {
		r.text = append(r.text, "  \""...)
	}
	r.text = append(r.text, path...)
	r.text = append(r.text, "\" "...)
	r.text = append(r.text, perms...)
	r.text = append(r.text, ",\n"...)
	p, _ := parsePerms(perms)
	r.list = append(r.list, Rule{Device: d, Path: ast.Decode(path), Perms: p, Deny: deny})
}

func (r *Rules) addComment(text string) {
	r.text = append(r.text, "  # "...)
	r.text = append(r.text, text...)
	r.text = append(r.text, '\n')
}
