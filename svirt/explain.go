// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// Advice is what a person can do about a denial.
type Advice struct {
	Code AdviceCode `json:"code"` // for programs
	Text string     `json:"text"` // for people: what to do, one or two sentences
}

// AdviceCode is the kind of an Advice.
type AdviceCode string

// The codes of advices.
const (
	// AdviceLoad: the machine's profile as it is on disk grants the request.
	// Another profile is in force, or the record is older than the profile.
	AdviceLoad AdviceCode = "load"
	// AdviceDenied: a rule denies the request on purpose.
	AdviceDenied AdviceCode = "denied-by-rule"
	// AdviceDevice: a device has the path, with fewer permissions.
	AdviceDevice AdviceCode = "change-device"
	// AdviceAdd: no device has the path, and one that is added may have it.
	AdviceAdd AdviceCode = "add-device"
	// AdviceRefused: no device has the path, and none may have it.
	AdviceRefused AdviceCode = "refused"
	// AdviceTemplate: devices do not grant such requests; templates do.
	AdviceTemplate AdviceCode = "template"
)

// Explained is what is known about one denial of a machine.
type Explained struct {
	UUID    string        // of the machine
	Profile string        // of the record: that of the machine or a companion, or a child of one
	Request query.Request // what was denied
	// Decision is what the machine's profile as it is on disk says now.
	Decision query.Decision
	// Device is the device of the machine that comes nearest, of a request for
	// a path, and Near its rule: the one for just this path, or else the one
	// that has most directories in common with it. Both are zero if there is
	// none.
	Device Device
	Near   Rule
	// Exact says that Near is for just this path.
	Exact bool
	// Rule is the rule that would allow the request, in canonical form; empty
	// if it is allowed already or a rule denies it, and for requests that no
	// single rule allows.
	Rule string
	// Grantable says that the strict policy, under the Manager's options, grants
	// the path to a machine whose description asks for it. Otherwise Refused is
	// why it does not; it is nil for requests that are not for paths.
	Grantable bool
	Refused   *PathError
	Advice    Advice // what a person can do
}

// Explain says what a denial of a machine means: which machine and which device
// it is about, which rule would allow it, whether the strict policy would grant
// that, and what a person can do. The event is one of package audit; whether the
// kernel denied the request or only said so, as in complain mode, makes no
// difference.
//
// Nothing is changed. Explain looks at the path of a request on the host, as
// Create would. A record shows what the machine did. That does not justify
// a grant: a person must judge the advice.
//
// An event of a profile that is not one of this Manager's machines is
// ErrNotFound; one that tells of no request is an *audit.NoRequestError. With a
// driver that compiles nothing the error matches ErrUnconfined.
func (m *Manager) Explain(ctx context.Context, e *audit.Event) (*Explained, error) {
	top, _, _ := strings.Cut(e.Profile, "//")
	member, ok := m.names.member(top)
	uuid, _ := cutMember(member)
	if !ok {
		return nil, fmt.Errorf("profile %q: %w", e.Profile, ErrNotFound)
	}
	request, err := e.Request()
	if err != nil {
		return nil, err
	}
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return nil, err
	}
	defer unlock()
	x := &Explained{UUID: uuid, Profile: e.Profile, Request: request}
	compiled, err := m.compile(ctx, uuid)
	if err != nil {
		return nil, err
	}
	policy, ok := compiled.(*blob.Policy)
	if !ok {
		return nil, fmt.Errorf("%s: %w", m.driver.Name(), ErrUnconfined)
	}
	profile, ok := query.Open(policy).Profile(e.Profile)
	if !ok {
		return nil, fmt.Errorf("profile %q: %w", e.Profile, ErrNotFound)
	}
	if x.Decision, err = profile.Ask(request); err != nil {
		return nil, err
	}
	want, perms := pathOf(request)
	if want != "" {
		if err := m.nearest(ctx, x, member, want); err != nil {
			return nil, err
		}
	}
	if !x.Decision.Allowed() {
		if rule := ruleFor(request); rule != nil && x.Decision.Deny&x.Decision.Quiet == 0 {
			x.Rule = render.String(rule)
		}
		if want != "" && perms != 0 {
			if err := m.grantable(ctx, g, x, want, perms); err != nil {
				return nil, err
			}
		}
	}
	x.Advice = x.advise(want)
	if m.options.Metrics != nil {
		m.options.Metrics.Denied(Measured{UUID: uuid, Profile: e.Profile, Class: e.Class})
	}
	return x, nil
}

// pathOf returns the path that a request is for, as devices have paths, and the
// permissions; none for an execution, since the paths of devices are not programs.
func pathOf(r query.Request) (string, ast.FilePerm) {
	switch r := r.(type) {
	case query.File:
		perms, _ := filePerms(r.Perms)
		return r.Path, perms
	case query.Execute:
		return r.Path, 0
	case query.Link:
		return r.Path, ast.FileLink
	}
	return "", 0
}

// nearest finds the device that comes nearest to a path.
func (m *Manager) nearest(ctx context.Context, x *Explained, member, want string) error {
	text, err := m.store.read(m.names.profile(member) + ".files")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a container
	}
	if err != nil {
		return err
	}
	rules, err := ParseRules(ctx, m.names.files(member), text)
	if err != nil {
		return ctx.Err() // the rules of Compat or of others do not name devices
	}
	most := 2 // the root and a directory in it are not near
	for _, r := range rules.List() {
		if r.Deny {
			continue
		}
		has, ok := r.Path.Unescape()
		if !ok {
			has = strings.TrimRight(string(r.Path), "*{,}")
			has, ok = ast.Pattern(has).Unescape()
		}
		switch {
		case !ok:
		case has == want:
			x.Device, x.Near, x.Exact = r.Device, r, true
			return nil
		default:
			if n := common(has, want); n > most {
				most, x.Device, x.Near = n, r.Device, r
			}
		}
	}
	return nil
}

// common returns how many directories two paths have in common, the root being
// one.
func common(a, b string) int {
	as, bs := strings.Split(path.Dir(a), "/"), strings.Split(path.Dir(b), "/")
	n := 0
	for n < len(as) && n < len(bs) && as[n] == bs[n] {
		n++
	}
	return n
}

// grantable asks the strict policy for the path, as a description would that
// names it and nothing else.
func (m *Manager) grantable(ctx context.Context, g *machineState, x *Explained, want string, perms ast.FilePerm) error {
	if perms &^= ast.FileLink; perms == 0 {
		perms = ast.FileRead
	}
	o := m.options.Derive
	o.Method = Strict
	d := &Domain{UUID: x.UUID, Name: "explain", Devices: Devices{
		Extra: []PathGrant{{ID: "explain", Path: strings.TrimSuffix(want, "/"), Perms: string(appendPerms(nil, perms))}},
	}}
	_, left, err := derive(ctx, d, &o, surroundings{managed: true, private: m.private})
	if left != nil {
		g.left = left
	}
	var refused *PathError
	switch {
	case err == nil:
		x.Grantable = true
	case errors.As(err, &refused):
		x.Refused = refused
	default:
		return err
	}
	return nil
}

// advise says what to do.
func (x *Explained) advise(want string) Advice {
	switch d := x.Decision; {
	case d.Allowed():
		return Advice{AdviceLoad, "The profile on disk allows it. If it happens again, another profile is in force: run Load, or look at Status."}
	case d.Deny&d.Quiet != 0:
		return Advice{AdviceDenied, "A deny rule of the profile forbids it, which no device overrides. Change the profile only if the rule is wrong."}
	case want == "":
		return Advice{AdviceTemplate, "No device grants such a thing. If every machine of the kind needs it, add a rule to the template."}
	case x.Exact:
		return Advice{AdviceDevice, fmt.Sprintf("The %s has the path, with fewer permissions. If the machine needs more, such as for an image that is not only read, change the device with Update.", x.Device)}
	}
	switch _, program := x.Request.(query.Execute); {
	case program:
		return Advice{AdviceAdd, "No device has the program. If the machine needs it, name it in Devices.Programs."}
	case x.Refused != nil:
		return Advice{AdviceRefused, "No device has the path, and none may have it: " + x.Refused.Error() + "."}
	case x.Device != (Device{}):
		return Advice{AdviceAdd, fmt.Sprintf("No device has the path; the %s is nearest. If it is a new backing file, run ForgetChains and Replace; if it is a new device, add it with Update.", x.Device)}
	}
	return Advice{AdviceAdd, "No device has the path. If the machine needs it, add the device with Update, or as Devices.Extra if it is of no kind that is known."}
}
