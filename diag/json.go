// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"encoding/json"
	"errors"
	"reflect"
)

// place is a Position as JSON.
type place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Offset *int   `json:"offset,omitempty"`
}

func placeOf(p Position) place {
	out := place{File: p.File, Line: p.Line, Column: p.Column}
	if p.IsValid() {
		out.Offset = &p.Offset
	}
	return out
}

// MarshalJSON returns an object with the keys "file", "line", "column" and
// "offset". Those that are not known are left out.
func (p Position) MarshalJSON() ([]byte, error) { return json.Marshal(placeOf(p)) }

// MarshalJSON returns an object with the keys "severity" ("error" or
// "warning"), "class", "code", those of the position, "profile", "message",
// "text", "hint", "via", "related" and "errors". Via and related are lists of
// positions, errors is the cause as MarshalError has it; all three may be empty.
// Other keys without a value are left out.
func (d *Diagnostic) MarshalJSON() ([]byte, error) {
	if d == nil {
		return []byte("null"), nil
	}
	cause, err := MarshalError(d.Err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Severity string `json:"severity"`
		Class    Class  `json:"class,omitempty"`
		Code     Code   `json:"code,omitempty"`
		place
		Profile string          `json:"profile,omitempty"`
		Message string          `json:"message"`
		Text    string          `json:"text,omitempty"`
		Hint    string          `json:"hint,omitempty"`
		Via     []Position      `json:"via"`
		Related []Position      `json:"related"`
		Errors  json.RawMessage `json:"errors"`
	}{
		d.Severity.String(), d.Class, d.Code, placeOf(d.Pos), d.Profile, d.Message, d.Text, d.Hint,
		append([]Position{}, d.Via...), append([]Position{}, d.Related...), cause,
	})
}

// MarshalJSON returns a list, which may be empty but is never null.
func (l List) MarshalJSON() ([]byte, error) { return json.Marshal(append([]*Diagnostic{}, l...)) }

// MarshalJSON returns an object with the keys "message", "what", "limit" and
// "got".
func (e *LimitError) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Message string `json:"message"`
		What    string `json:"what"`
		Limit   int64  `json:"limit"`
		Got     int64  `json:"got"`
	}{e.Error(), e.What, e.Limit, e.Got})
}

// MarshalError returns an error as JSON, for reports: always a list. It is empty
// for nil, has an element for each error that errors.Join has joined, and one
// for each finding of a List. An error that is a json.Marshaler is its element;
// any other is an object with its text as "message" and, if something that it
// wraps is a json.Marshaler, with that as "cause".
func MarshalError(err error) ([]byte, error) {
	out := []json.RawMessage{}
	for _, e := range leaves(nil, err, 0) {
		data, err := marshalLeaf(e)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return json.Marshal(out)
}

// maxJoined is how deep errors may be joined; below that they are one text.
const maxJoined = 100

var joined = reflect.TypeOf(errors.Join(errors.New("")))

// leaves appends the errors that err joins.
func leaves(out []error, err error, depth int) []error {
	if err == nil {
		return out
	}
	var parts []error
	switch e := err.(type) { //nolint:errorlint // what is wrapped is not a list
	case List:
		parts = e.Unwrap()
	case interface{ Unwrap() []error }:
		if reflect.TypeOf(err) == joined {
			parts = e.Unwrap()
		}
	}
	if parts == nil || depth == maxJoined {
		return append(out, err)
	}
	for _, p := range parts {
		out = leaves(out, p, depth+1)
	}
	return out
}

func marshalLeaf(err error) ([]byte, error) {
	if m, ok := err.(json.Marshaler); ok { //nolint:errorlint // what is wrapped is the cause
		return m.MarshalJSON()
	}
	var out struct {
		Message string          `json:"message"`
		Cause   json.RawMessage `json:"cause,omitempty"`
	}
	out.Message = err.Error()
	var m json.Marshaler
	if errors.As(err, &m) {
		cause, err := m.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out.Cause = cause
	}
	return json.Marshal(out)
}
