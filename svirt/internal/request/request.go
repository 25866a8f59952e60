// SPDX-License-Identifier: Apache-2.0

// Package request is the form in which a manager without privileges asks a
// program that has them: one request and one reply, each one JSON object. The
// program of svirt.Helper and svirt/broker read and check requests here, so that
// what is refused is refused by both.
package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/loader"
)

// Op is what is asked for.
type Op string

// What the program of a svirt.Helper is asked.
const (
	Features Op = "features"
	Load     Op = "load"
	Unload   Op = "unload"
	Sealed   Op = "sealed"
	InUse    Op = "in-use"
	Files    Op = "files"
	InForce  Op = "in-force"
	Confines Op = "confines"
)

// List asks either for what there is.
const List Op = "list"

// What a broker is asked.
const (
	Create  Op = "create"
	Replace Op = "replace"
	Update  Op = "update"
	Remove  Op = "remove"
	Status  Op = "status"
	Start   Op = "start"
	// Namespace asks for a policy namespace.
	Namespace Op = "namespace"
)

// Request is a request. Which fields an Op has is in a table; see Check.
type Request struct {
	Op Op `json:"op"`
	// Profile is the name of a profile.
	Profile string              `json:"profile,omitempty"`
	Policy  []byte              `json:"policy,omitempty"`
	Mark    *loader.Fingerprint `json:"mark,omitempty"`
	Accept  loader.Accept       `json:"accept,omitzero"`
	// Retire is of Unload and Remove.
	Retire *loader.RetireOptions `json:"retire,omitempty"`

	// Machine is a UUID.
	Machine   string `json:"machine,omitempty"`
	Companion string `json:"companion,omitempty"` // ID
	// Domain and Change are a svirt.Domain and a svirt.Change, see Strict.
	Domain json.RawMessage `json:"domain,omitempty"`
	Change json.RawMessage `json:"change,omitempty"`
}

// fields are the fields of a request besides Op.
type fields uint16

const (
	hasProfile fields = 1 << iota
	hasPolicy
	hasMark
	hasAccept
	hasRetire
	hasMachine
	hasCompanion
	hasDomain
	hasChange
)

// fieldNames are those of JSON, in the order of the bits.
var fieldNames = [...]string{"profile", "policy", "mark", "accept", "retire", "machine", "companion", "domain", "change"}

// ops says which fields each Op must have and which it may have.
var ops = map[Op]struct{ must, may fields }{
	Features: {},
	List:     {},
	Load:     {hasProfile | hasPolicy, hasAccept},
	Unload:   {hasProfile | hasRetire, 0},
	Sealed:   {hasProfile, 0},
	InUse:    {hasProfile, 0},
	Files:    {hasProfile, 0},
	InForce:  {hasProfile, hasMark},
	Confines: {hasProfile, hasMark | hasAccept},
	Create:   {hasDomain, 0},
	Replace:  {hasDomain, 0},
	Update:   {hasMachine | hasChange, 0},
	Remove:   {hasMachine, hasRetire},
	Status:   {hasMachine, 0},
	Start:    {hasMachine, hasCompanion},

	Namespace: {},
}

// fields returns those that the request has.
func (q *Request) fields() (f fields) {
	for i, has := range [...]bool{
		q.Profile != "", q.Policy != nil, q.Mark != nil, q.Accept != loader.Accept{}, q.Retire != nil,
		q.Machine != "", q.Companion != "", q.Domain != nil, q.Change != nil,
	} {
		if has {
			f |= 1 << i
		}
	}
	return f
}

// Names says which profiles are those of a program's machines.
type Names interface {
	// Machine takes the name of a profile apart. What is not that of a machine
	// or of a companion of one is not ok.
	Machine(profile string) (uuid, companion string, ok bool)
}

// Checker decides which requests a program takes.
type Checker struct {
	Ops   []Op  // that it serves
	Names Names // of profiles that requests may name
}

// Check reports what is wrong with a request. Nothing has been done by then.
func (c *Checker) Check(q *Request) error {
	of, known := ops[q.Op]
	if !known {
		return fmt.Errorf("unknown request %q", q.Op)
	}
	if !slices.Contains(c.Ops, q.Op) {
		return fmt.Errorf("requests to %s are not served here", q.Op)
	}
	has := q.fields()
	for i, name := range fieldNames {
		switch bit := fields(1) << i; {
		case bit == hasRetire && of.must&bit != 0 && has&bit == 0:
			return fmt.Errorf("a request to %s has no options", q.Op)
		case bit == hasProfile && of.must&bit != 0:
			// An empty name is not that of a machine, either.
			if _, _, ok := c.Names.Machine(q.Profile); !ok {
				return fmt.Errorf("%q is not the profile of a machine: %w", q.Profile, loader.ErrNotAllowed)
			}
		case of.must&bit != 0 && has&bit == 0:
			return fmt.Errorf("a request to %s has no %s", q.Op, name)
		case has&bit != 0 && (of.must|of.may)&bit == 0:
			return fmt.Errorf("a request to %s must not have %s", q.Op, name)
		}
	}
	if q.Retire != nil && q.Retire.Cgroup != "" {
		// An empty one would be taken for proof that nothing runs, and
		// with Kill another one's processes would end.
		return errors.New("the cgroup of another process is not believed: unload without RetireOptions.Cgroup")
	}
	return nil
}

// Policy reads the compiled policy of a request to load, which must be the
// profile that the request names, those of companions of the same machine, and
// children of them.
func (c *Checker) Policy(q *Request) (*blob.Policy, error) {
	p, err := blob.Inspect(q.Policy)
	if err != nil {
		return nil, err
	}
	found := false
	uuid, _, _ := c.Names.Machine(q.Profile)
	for _, one := range p.Profiles() {
		top, _, _ := strings.Cut(one.Name, "//")
		// Companions of the machine are loaded with it.
		machine, _, ok := c.Names.Machine(top)
		switch {
		case one.Namespace != "" || one.Rename != "" || !ok || machine != uuid:
			return nil, fmt.Errorf("the policy defines %q, and may define only %s: %w", one.Name, q.Profile, loader.ErrNotAllowed)
		case one.Name == top && (one.Attach != "" || one.XMatch != nil):
			return nil, fmt.Errorf("the profile %s would attach to programs: %w", top, loader.ErrNotAllowed)
		}
		found = found || one.Name == q.Profile
	}
	if !found {
		return nil, fmt.Errorf("the policy does not define %s: %w", q.Profile, loader.ErrNotAllowed)
	}
	return p, nil
}

// Read reads one request of at most max bytes, up to the end of r. A longer one is
// a *diag.LimitError, and is not decoded.
func Read(r io.Reader, max int) (*Request, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(max)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > max {
		return nil, &diag.LimitError{What: "bytes of a request", Limit: int64(max), Got: int64(len(data))}
	}
	var q Request
	if err := Strict(data, &q); err != nil {
		return nil, fmt.Errorf("the request cannot be read: %w", err)
	}
	return &q, nil
}

// Strict decodes one JSON object, which must have only fields that v has and end
// with the data.
func Strict(data []byte, v any) error {
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return errors.New("it is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// known are errors that match on the other side, too.
var known = []struct {
	word string
	err  error
}{
	{"not-exist", fs.ErrNotExist},
	{"exist", fs.ErrExist},
	{"permission", fs.ErrPermission},
	{"protocol", loader.ErrProtocol},
	{"disabled", loader.ErrDisabled},
	{"not-allowed", loader.ErrNotAllowed},
	{"mode", loader.ErrMode},
	{"content", loader.ErrContent},
	{"no-digest", loader.ErrNoDigest},
	{"in-use", loader.ErrInUse},
	{"processes", loader.ErrProcesses},
	{"unsupported", errors.ErrUnsupported},
}

// Word is a name for an error that package request does not know.
type Word struct {
	Name string
	Err  error
}

// Failure is the part of a reply that says what went wrong.
type Failure struct {
	Error string   `json:"error,omitempty"`
	Is    []string `json:"is,omitempty"` // words for what it matches
}

// Failed returns the Failure for an error, which may match more of the words.
func Failed(err error, more ...Word) Failure {
	f := Failure{Error: err.Error()}
	for _, k := range known {
		if errors.Is(err, k.err) {
			f.Is = append(f.Is, k.word)
		}
	}
	for _, k := range more {
		if errors.Is(err, k.Err) {
			f.Is = append(f.Is, k.Name)
		}
	}
	return f
}

// Matches returns the errors that the failure matches.
func (f *Failure) Matches(more ...Word) (is []error) {
	for _, word := range f.Is {
		for _, k := range known {
			if k.word == word {
				is = append(is, k.err)
			}
		}
		for _, k := range more {
			if k.Name == word {
				is = append(is, k.Err)
			}
		}
	}
	return is
}
