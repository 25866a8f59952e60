// SPDX-License-Identifier: Apache-2.0

package diag_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/goarmor/apparmor/diag"
)

// TestJSON holds the form of what programs print. Keys and the meaning of values
// are stable.
func TestJSON(t *testing.T) {
	at := diag.Position{File: "p", Offset: 10, Line: 2, Column: 3}
	plain := &diag.Diagnostic{Code: diag.CodeSyntax, Message: "m"}
	limit := &diag.LimitError{What: "bytes", Limit: 1, Got: 2}
	for _, tt := range []struct {
		value any
		want  string
	}{
		{plain, `{"severity":"error","code":"syntax","message":"m","via":[],"related":[],"errors":[]}`},
		{&diag.Diagnostic{
			Severity: diag.Warning, Class: diag.ClassABI, Code: diag.WarnABI, Pos: at, Profile: "x", Message: "m", Text: "t", Hint: "h",
			Via: []diag.Position{{File: "v", Line: 1, Column: 1}}, Related: []diag.Position{{File: "r"}}, Err: limit,
		}, `{"severity":"warning","class":"abi","code":"abi","file":"p","line":2,"column":3,"offset":10,"profile":"x","message":"m","text":"t","hint":"h",` +
			`"via":[{"file":"v","line":1,"column":1,"offset":0}],"related":[{"file":"r"}],"errors":[{"message":"bytes: limit of 1 exceeded (got 2)","what":"bytes","limit":1,"got":2}]}`},
		{diag.List(nil), `[]`},
		{diag.List{plain}, `[{"severity":"error","code":"syntax","message":"m","via":[],"related":[],"errors":[]}]`},
		{diag.Position{}, `{}`},
	} {
		got, err := json.Marshal(tt.value)
		if err != nil || string(got) != tt.want {
			t.Errorf("%v:\n got %s\nwant %s\n%v", tt.value, got, tt.want, err)
		}
	}
}

// TestMarshalError: always a list, with one element for each error.
func TestMarshalError(t *testing.T) {
	one, two := errors.New("one"), &diag.LimitError{What: "x", Limit: 1, Got: 2}
	const limit = `{"message":"x: limit of 1 exceeded (got 2)","what":"x","limit":1,"got":2}`
	deep := error(one)
	for range 1000 {
		deep = errors.Join(deep)
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, `[]`},
		{errors.Join(), `[]`},
		{diag.List{}, `[]`},
		{one, `[{"message":"one"}]`},
		{errors.Join(one, errors.Join(nil, two)), `[{"message":"one"},` + limit + `]`},
		{fmt.Errorf("in f: %w", two), `[{"message":"in f: x: limit of 1 exceeded (got 2)","cause":` + limit + `}]`},
		{fmt.Errorf("%w and %w", one, two), `[{"message":"one and x: limit of 1 exceeded (got 2)","cause":` + limit + `}]`},
		{errors.Join(diag.List{{Message: "m"}, {Message: "n"}}, one),
			`[{"severity":"error","message":"m","via":[],"related":[],"errors":[]},{"severity":"error","message":"n","via":[],"related":[],"errors":[]},{"message":"one"}]`},
		{deep, `[{"message":"one"}]`},
	} {
		got, err := diag.MarshalError(tt.err)
		if err != nil || string(got) != tt.want {
			t.Errorf("%v:\n got %s\nwant %s\n%v", tt.err, got, tt.want, err)
		}
	}
}
