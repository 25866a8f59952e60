// SPDX-License-Identifier: Apache-2.0

package request

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/loader"
)

// own are the names of one machine.
type own struct{}

func (own) Machine(profile string) (uuid, companion string, ok bool) {
	return "m", "", profile == "own-m"
}

var all = Checker{
	Ops:   []Op{Features, Load, Unload, Sealed, InUse, Files, InForce, Confines, List, Create, Replace, Update, Remove, Status, Start, Namespace},
	Names: own{},
}

// complete returns a request with what its Op must have.
func complete(op Op) *Request {
	q := Request{Op: op}
	set(&q, ops[op].must)
	return &q
}

func set(q *Request, f fields) {
	if f&hasProfile != 0 {
		q.Profile = "own-m"
	}
	if f&hasPolicy != 0 {
		q.Policy = []byte("x")
	}
	if f&hasMark != 0 {
		q.Mark = &loader.Fingerprint{}
	}
	if f&hasAccept != 0 {
		q.Accept.Complain = true
	}
	if f&hasRetire != 0 {
		q.Retire = &loader.RetireOptions{}
	}
	if f&hasMachine != 0 {
		q.Machine = "m"
	}
	if f&hasCompanion != 0 {
		q.Companion = "c"
	}
	if f&hasDomain != 0 {
		q.Domain = json.RawMessage("{}")
	}
	if f&hasChange != 0 {
		q.Change = json.RawMessage("{}")
	}
}

// TestFields tries every field with every Op.
func TestFields(t *testing.T) {
	for op, of := range ops {
		if err := all.Check(complete(op)); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		none := Checker{Names: own{}}
		if err := none.Check(complete(op)); err == nil || !strings.Contains(err.Error(), "not served") {
			t.Errorf("%s is served by nobody: %v", op, err)
		}
		for i, name := range fieldNames {
			bit := fields(1) << i
			with, without := complete(op), &Request{Op: op}
			set(with, bit)
			set(without, of.must&^bit)
			if err := all.Check(with); (err == nil) != ((of.must|of.may)&bit != 0) {
				t.Errorf("%s with %s: %v", op, name, err)
			}
			if err := all.Check(without); (err == nil) != (of.must&bit == 0) {
				t.Errorf("%s without %s: %v", op, name, err)
			}
		}
	}
	q := complete(Remove)
	q.Retire = &loader.RetireOptions{Cgroup: "/sys/fs/cgroup/x"}
	if err := all.Check(q); err == nil {
		t.Error("a cgroup is believed")
	}
	q = complete(Sealed)
	q.Profile = "own-n"
	if err := all.Check(q); !errors.Is(err, loader.ErrNotAllowed) {
		t.Errorf("another name: %v", err)
	}
}

func TestRead(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"good", `{"op":"status","machine":"m"}`, ""},
		{"blanks", " {\"op\":\"list\"}\n", ""},
		{"nothing", "", "not a JSON object"},
		{"half", `{"op":"status","machine":"m`, "cannot be read"},
		{"two", `{"op":"list"}{"op":"list"}`, "follows"},
		{"an unknown field", `{"op":"list","rules":"/** rwx,"}`, "unknown field"},
		{"a list", `[{"op":"list"}]`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"deep", `{"op":"create","domain":` + strings.Repeat("[", 20000), "cannot be read"},
	} {
		_, err := Read(strings.NewReader(tt.text), 1<<20)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	text := `{"op":"list"}`
	if _, err := Read(strings.NewReader(text), len(text)); err != nil {
		t.Error(err)
	}
	var limit *diag.LimitError
	if _, err := Read(strings.NewReader(text), len(text)-1); !errors.As(err, &limit) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestFailure(t *testing.T) {
	mine := errors.New("mine")
	f := Failed(errors.Join(fs.ErrNotExist, mine, loader.ErrMode), Word{"mine", mine})
	is := f.Matches(Word{"mine", mine})
	for _, want := range []error{fs.ErrNotExist, mine, loader.ErrMode} {
		if !errors.Is(errors.Join(is...), want) {
			t.Errorf("%v is lost", want)
		}
	}
	if len(is) != 3 || errors.Is(errors.Join(f.Matches()...), mine) {
		t.Errorf("%v", is)
	}
}

// FuzzRead holds that what passes the check names nothing but what the checker
// knows, and that it is within the limit.
func FuzzRead(f *testing.F) {
	for op := range ops {
		data, err := json.Marshal(complete(op))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"op":"create","domain":{"uuid":"x"},"Domain":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		q, err := Read(strings.NewReader(string(data)), most)
		if err != nil {
			return
		}
		if len(data) > most {
			t.Error("more than the limit")
		}
		if all.Check(q) != nil {
			return
		}
		of := ops[q.Op]
		if has := q.fields(); has&of.must != of.must || has&^(of.must|of.may) != 0 {
			t.Errorf("%s passes with %b", q.Op, has)
		}
		if q.Profile != "" && q.Profile != "own-m" {
			t.Errorf("%q passes", q.Profile)
		}
	})
}
