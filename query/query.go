// SPDX-License-Identifier: Apache-2.0

// Package query asks a compiled policy what it allows. Answers come from the
// bytes that a kernel loads, by the walk that a kernel makes, so they hold for
// the output of any compiler.
//
// Requests are values: File, Link, Execute, Attach, ChangeProfile, ChangeHat,
// Capability, Rlimit, Network, Unix, Signal, Ptrace, Mount, Umount, PivotRoot,
// DBus, Mqueue, Userns, IOUring. Profile.Ask takes one and returns a Decision.
//
// Diff, Equal and Covers compare two profiles, or two policies, by the answers
// that they give. Their results are requests too.
//
// Everything here is safe for concurrent use.
package query

import (
	"fmt"
	"iter"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// Policy is a compiled policy that answers requests.
type Policy struct {
	set *blob.Policy
}

// Open returns a compiled policy ready for requests.
func Open(p *blob.Policy) *Policy { return &Policy{set: p} }

// Profile returns the profile of that full name: parent//child for children
// and hats.
func (p *Policy) Profile(name string) (*Profile, bool) {
	q := p.set.Profile(name)
	if q == nil {
		return nil, false
	}
	return &Profile{Profile: q, set: p.set}, true
}

// Profiles returns all profiles in the order of the policy.
func (p *Policy) Profiles() []*Profile {
	var all []*Profile
	for _, q := range p.set.Profiles() {
		all = append(all, &Profile{Profile: q, set: p.set})
	}
	return all
}

// Profile is one profile of a policy.
type Profile struct {
	*blob.Profile
	set *blob.Policy
}

// Request is something that a task may want to do. A request for several
// permissions asks for all of them.
type Request interface {
	fmt.Stringer
	ask(p asked) (Decision, error)
	texts() iter.Seq2[textKind, string]
}

// The limits of one request. Both are far beyond what kernels ask and
// compilers write; they are for policy and requests from untrusted sources.
const (
	// MaxRequest is how many bytes the texts of a request may have together.
	MaxRequest = 1 << 16
	// MaxSteps is how many steps through automata an answer may take, about a
	// tenth of a second. A byte of a text takes one, or one for each state in
	// a chain of differentially encoded ones.
	MaxSteps = 1 << 24
)

// Ask returns what the profile says to the request. The error is a
// *RequestError for a request that names something unknown or asks for a
// permission that its class does not have, a *TextError for one with a text
// that no kernel uses, and a *diag.LimitError beyond MaxRequest or MaxSteps.
// The decision that comes with an error denies everything.
func (p *Profile) Ask(r Request) (Decision, error) { return p.put(r, nil) }

func (p *Profile) put(r Request, lookups *[]Lookup) (d Decision, err error) {
	if err = checkTexts(r); err == nil {
		steps := MaxSteps
		d, err = r.ask(asked{Profile: p.Profile, set: p.set, steps: &steps, lookups: lookups})
		if steps < 0 {
			err = tooManySteps()
		}
	}
	if err != nil {
		d = Decision{Mediated: true, Request: ^Perms(0), Deny: ^Perms(0)}
	}
	d.Mode = p.EffectiveMode()
	return d, err
}

func tooManySteps() error {
	return &diag.LimitError{What: "steps through automata to answer a request", Limit: MaxSteps, Got: MaxSteps + 1}
}

// checkTexts checks the texts of a request.
func checkTexts(r Request) error {
	total := 0
	for what, text := range r.texts() {
		total += len(text)
		if what != textBinary && strings.Contains(text, "\x00") {
			return &TextError{r, text, "has a NUL"}
		}
		if what == textPath && !strings.HasPrefix(text, "/") {
			return &TextError{r, text, "is not absolute"}
		}
	}
	if total > MaxRequest {
		return &diag.LimitError{What: "bytes of a request", Limit: MaxRequest, Got: int64(total)}
	}
	return nil
}

// textKind says what a text of a request must be.
type textKind uint8

const (
	textAny    textKind = iota
	textPath            // absolute
	textBinary          // may hold NULs
)

// texts are the texts of one kind.
func texts(kind textKind, all ...string) iter.Seq2[textKind, string] {
	return func(yield func(textKind, string) bool) {
		for _, text := range all {
			if !yield(kind, text) {
				return
			}
		}
	}
}

// and joins two sequences of texts.
func and(all ...iter.Seq2[textKind, string]) iter.Seq2[textKind, string] {
	return func(yield func(textKind, string) bool) {
		for _, seq := range all {
			for kind, text := range seq {
				if !yield(kind, text) {
					return
				}
			}
		}
	}
}

// TextError says that a request has a text that no kernel uses: a path that is
// not absolute, or a NUL, which separates one text from the next in automata.
// Such a request would be about something else.
type TextError struct {
	Request Request // the request
	Text    string  // the text that is wrong
	Reason  string  // "is not absolute", "has a NUL"
}

// Error implements error.
func (e *TextError) Error() string { return fmt.Sprintf("%v: %q %s", e.Request, e.Text, e.Reason) }

// Allows reports whether the policy grants the whole request; see Ask. What
// cannot be asked is not allowed.
func (p *Profile) Allows(r Request) bool {
	d, err := p.Ask(r)
	return err == nil && d.Allowed()
}

// RequestError says that a request names something that does not exist, asks for
// a permission that its class does not have, or asks for none at all: then What
// is "permission" and Name is empty.
type RequestError struct {
	Request Request // the request
	What    string  // "capability", "address family", "permission", ...
	Name    string
}

// Error implements error.
func (e *RequestError) Error() string {
	if e.What == whatPermission && e.Name == "" {
		return fmt.Sprintf("%v: no permission is asked for", e.Request)
	}
	return fmt.Sprintf("%v: unknown %s %q", e.Request, e.What, e.Name)
}

const whatPermission = "permission"

// onlyPerms refuses a request for permissions that its class does not have. No
// rule could grant or deny them, so they would be missing from the answer.
func onlyPerms(r Request, want, class Perms) error {
	if want == 0 {
		return &RequestError{Request: r, What: whatPermission}
	}
	if unknown := want &^ class; unknown != 0 {
		return &RequestError{r, whatPermission, unknown.String()}
	}
	return nil
}

// Decision is what a profile says to a request. Permission sets hold only what
// was requested.
type Decision struct {
	// Mediated is false if the profile has nothing about the class of the
	// request: everything in it is allowed.
	Mediated bool
	Mode     blob.Mode // of the profile, as EffectiveMode returns it

	Request Perms // what was asked for
	Allow   Perms // what is granted of it
	Deny    Perms // what is not
	Prompt  Perms // the part of Deny for which user space is asked first
	Audit   Perms // granted and logged
	Quiet   Perms // not granted, and not logged

	// Exec is the transition, for requests to execute.
	Exec blob.Exec
	// Label is the label that the task goes on with, for Execute and ChangeHat.
	Label string
	// Info explains a refusal that permissions alone do not.
	Info string

	words words
}

// words are the names that a class gives its permissions.
type words uint8

const (
	wordsKernel  words = iota // by the names of the kernel's bits
	wordsNone                 // there is only one
	wordsMessage              // send and receive
	wordsPtrace               // trace, read, tracedby, readby
	wordsUserns               // only one, which unconfined profiles mediate too
)

// text names the permissions, after a blank; "" if there is only one.
func (w words) text(a Perms) string {
	switch w {
	case wordsNone, wordsUserns:
		return ""
	case wordsMessage:
		return " " + sendReceive(a)
	case wordsPtrace:
		return " " + ptraceNames(a)
	}
	return " " + a.String()
}

// Names returns the names of permissions in the class of the request,
// separated by bars: "send" for signals where files have "write". It is "" for
// classes with only one permission.
func (d Decision) Names(a Perms) string { return strings.TrimPrefix(d.words.text(a), " ") }

// Allowed reports whether the policy grants the whole request, in mode
// enforce.
func (d Decision) Allowed() bool { return d.Deny == 0 }

// Permitted reports whether a kernel lets the request pass in the profile's
// mode: complain lets everything pass except what a rule denies without
// logging; unconfined lets everything pass except requests about user
// namespaces.
func (d Decision) Permitted() bool {
	switch d.Mode {
	case blob.Complain:
		return d.Deny&d.Quiet == 0
	case blob.Unconfined:
		return d.Allowed() || d.words != wordsUserns
	}
	return d.Allowed()
}

// String returns the decision in a few words: "allowed", "allowed, audited",
// "denied write", "not mediated", "allowed, ix".
func (d Decision) String() string {
	var s []string
	if !d.Mediated {
		s = append(s, "not mediated")
	} else if d.Deny == 0 {
		s = append(s, "allowed")
	} else {
		s = append(s, "denied"+d.words.text(d.Deny))
	}
	if d.Prompt != 0 {
		s = append(s, "prompt"+d.words.text(d.Prompt))
	}
	if d.Audit != 0 {
		s = append(s, "audited")
	}
	if d.Quiet != 0 {
		s = append(s, "quiet")
	}
	if d.Deny == 0 && !d.Exec.IsZero() {
		s = append(s, d.Exec.String())
	}
	if d.Label != "" {
		s = append(s, "label "+d.Label)
	}
	if d.Info != "" {
		s = append(s, d.Info)
	}
	return strings.Join(s, ", ")
}

// unmediated is the answer of a profile that has nothing about a class.
func unmediated(want Perms) Decision { return Decision{Request: want, Allow: want} }

// decide splits a request by what a state grants.
func decide(want Perms, e blob.Effective) Decision {
	grant := want & Perms(e.Allow&^e.Deny)
	d := Decision{
		Mediated: true, Request: want, Allow: grant, Deny: want &^ grant,
		Audit: grant & Perms(e.Audit), Quiet: want &^ grant & Perms(e.Quiet),
		Prompt: want &^ grant & Perms(e.Prompt),
	}
	if want&Exec != 0 {
		d.Exec = e.Exec
	}
	return d
}

// and combines the answers to two parts of one request, all of which must be
// granted.
func (d Decision) and(e Decision) Decision {
	r := Decision{
		Mediated: d.Mediated || e.Mediated,
		Request:  d.Request | e.Request, Deny: d.Deny | e.Deny,
		Prompt: d.Prompt | e.Prompt, Audit: d.Audit | e.Audit, Quiet: d.Quiet | e.Quiet,
		Exec: d.Exec, Info: d.Info, words: d.words,
	}
	r.Allow = r.Request &^ r.Deny
	r.Audit &= r.Allow
	if r.Exec.IsZero() {
		r.Exec = e.Exec
	}
	if r.Info == "" {
		r.Info = e.Info
	}
	return r
}

// only is the decision about a part of the request, which was granted.
func (d Decision) only(part Perms) Decision {
	d.Request, d.Allow, d.Deny, d.Quiet, d.Prompt = part, part, 0, 0, 0
	d.Audit &= part
	return d
}

// in sets the names that the class gives its permissions.
func (d Decision) in(w words) Decision {
	d.words = w
	return d
}

// Perms is a set of the kernel's permission bits.
type Perms uint32

// The permissions. Some bits have a special meaning in a class: see the
// requests.
const (
	Exec     = Perms(blob.PermExec)
	Write    = Perms(blob.PermWrite)
	Read     = Perms(blob.PermRead)
	Append   = Perms(blob.PermAppend)
	MayOpen  = Perms(blob.PermOpen) // comes with Read and with Write
	Create   = Perms(blob.PermCreate)
	Delete   = Perms(blob.PermDelete)
	Rename   = Perms(blob.PermRename)
	Setattr  = Perms(blob.PermSetattr)
	Getattr  = Perms(blob.PermGetattr)
	Chmod    = Perms(blob.PermChmod)
	Chown    = Perms(blob.PermChown)
	Lock     = Perms(blob.PermLock)
	Mmap     = Perms(blob.PermMmap) // map with PROT_EXEC
	Send     = Write
	Receive  = Read
	Connect  = Perms(blob.PermOpen)
	Accept   = Perms(blob.PermAccept)
	Bind     = Perms(blob.PermBind)
	Listen   = Perms(blob.PermListen)
	Setopt   = Perms(blob.PermSetopt)
	Getopt   = Perms(blob.PermGetopt)
	Shutdown = Delete
)

// String returns the names of the permissions, separated by bars.
func (a Perms) String() string { return blob.PermNames(uint32(a)) }
