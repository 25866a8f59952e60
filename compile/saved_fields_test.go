// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"reflect"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// TestSavedFields counts the fields of what is saved by hand: who adds one
// decides whether it is saved.
func TestSavedFields(t *testing.T) {
	for _, c := range []struct {
		from, to any
		left     int // fields of from that are not saved
	}{
		{record{}, savedRecord{}, 0},
		{capRule{}, savedCap{}, 1},                // the source
		{mountKey{}, savedMount{}, -1},            // the permissions are another value
		{execKey{}, savedUse{}, -2},               // so are the fields of an execUse
		{Degradation{}, savedDegradation{}, 1},    // the rule
		{diag.Diagnostic{}, savedWarning{}, 1},    // the cause
		{policy.Rlimit{}, savedRlimit{}, 1},       // the origin
		{policy.Profile{}, savedProfile{}, 5 - 1}, // Parent, Children, Identities, Rules, Origin; ABI is two fields
	} {
		from, to := reflect.TypeOf(c.from), reflect.TypeOf(c.to)
		if from.NumField()-c.left != to.NumField() {
			t.Errorf("%v has %d fields, %v has %d: %d are not saved", from, from.NumField(), to, to.NumField(), c.left)
		}
	}
	if n := reflect.TypeFor[familyRules]().NumField(); n != 4 {
		t.Errorf("familyRules has %d fields, 4 are saved", n)
	}
	if n := reflect.TypeFor[Options]().NumField(); n != 5 {
		t.Errorf("Options has %d fields: say in the saved base what they are, or why not", n)
	}
}
