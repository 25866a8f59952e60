// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Requests is a set of requests, possibly infinite: those of one class that a
// profile allows. Such a profile is compiled from a rule: that of "/etc/ssl/** r"
// stands for reading every file below /etc/ssl.
type Requests struct {
	// By is the profile that allows them, and no others. It must mediate the
	// class, and be compiled for the kernel of the profile that is asked.
	By *Profile
	// Class is their class. That of link and change_profile is blob.ClassFile,
	// that of network rules is blob.ClassNet, and so is that of unix rules for
	// kernels that see no more of a unix socket than of any other; else it is
	// blob.ClassNetV9.
	Class blob.Class
	// Perms are the permissions that matter; zero: all. Compilers give files
	// more than a rule says: everything may be asked for its attributes, and
	// what may be written may be opened.
	Perms Perms
	// Exec makes the transition a part of a request to execute: one that leads
	// elsewhere is another request.
	Exec bool
}

// ErrRequests says that a set of requests cannot be asked for: the profile does
// not mediate the class, or the class has no requests that could be asked for
// as a set.
var ErrRequests = errors.New("query: not a set of requests")

// Passing returns those of a set of requests that pass under p in its mode, and
// nothing if none does: every request of the set is looked at, not a sample.
// AnswerA of each result is what p says, AnswerB what Requests.By says. They
// are found as by Diff: shortest first, each with another pair of answers, up to
// ten of a kind. The error is ErrRequests, a *diag.LimitError for automata that
// are too large, or ctx's.
func (p *Profile) Passing(ctx context.Context, r Requests) ([]Difference, error) {
	return p.among(ctx, r, true)
}

// Refused returns those of a set of requests that do not pass under p, and
// nothing if all do; the rest is as for Passing.
func (p *Profile) Refused(ctx context.Context, r Requests) ([]Difference, error) {
	return p.among(ctx, r, false)
}

func (p *Profile) among(ctx context.Context, r Requests, passing bool) ([]Difference, error) {
	mode, perms := p.EffectiveMode(), r.Perms
	if perms == 0 {
		perms = ^Perms(0)
	}
	c := comparison{ctx: ctx, a: p, b: r.By, within: perms}
	// Of x and y, the one of p is x.
	c.differ = func(x, y answer) Perms {
		passes := x.passes(mode)
		if mode == blob.Unconfined && r.Class != blob.ClassNamespaces {
			passes = x.want
		}
		if r.Exec && x.exec != y.exec {
			passes &^= Exec
		}
		if !passing {
			passes = ^passes
		}
		return y.grant & passes & perms
	}
	c.confirm = func(x, y Decision) bool {
		other := r.Exec && x.Request&Exec != 0 && x.Exec != y.Exec
		return y.Allowed() && (x.Permitted() && !other) == passing
	}
	err := c.among(r.Class)
	return c.found, err
}

// among compares the answers to the requests of one class.
func (c *comparison) among(class blob.Class) error {
	if class == blob.ClassCap {
		for _, name := range linux.Capabilities {
			c.add(blob.Difference{}, Capability(name))
		}
		return nil
	}
	for i := range kinds {
		k := &kinds[i]
		switch {
		case k.class != class:
			continue
		case class == blob.ClassNet && (hasFamilies(c.a) || hasFamilies(c.b)):
			c.families()
			return nil
		case class != blob.ClassFile && k.side(c.b).dfa == nil, class == blob.ClassNetV9 && !c.b.Mediates(class):
			return fmt.Errorf("%w: class %v is not mediated", ErrRequests, class)
		}
		return c.kind(k)
	}
	return fmt.Errorf("%w: class %v", ErrRequests, class)
}
