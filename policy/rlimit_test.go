// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/goarmor/apparmor/ast"
)

func TestParseRlimit(t *testing.T) {
	for _, tt := range []struct {
		name, value, unit string
		want              uint64
		ok                bool
	}{
		{"cpu", "1", "", 1, true},
		{"cpu", "10", "seconds", 10, true},
		{"cpu", "5", "min", 300, true},
		{"cpu", "1", "week", 604800, true},
		{"cpu", "1", "days", 86400, true},
		{"cpu", "1", "h", 3600, true},
		{"cpu", "1", "w", 0, false},
		{"cpu", "1000", "ms", 1, true},
		{"cpu", "999", "ms", 0, false},
		{"cpu", "1000000", "us", 1, true},
		{"cpu", "0", "", 0, true},
		{"cpu", "infinity", "", Infinity, true},
		{"cpu", "infinity", "seconds", Infinity, true},
		{"data", "infinity", "K", Infinity, true},
		{"data", "08", "", 0, false},
		{"rttime", "10", "", 10, true},
		{"rttime", "1", "ms", 1000, true},
		{"rttime", "1", "ns", 0, false},
		{"data", "010", "", 8, true},
		{"data", "1", "K", 1024, true},
		{"data", "100", "MB", 100 << 20, true},
		{"as", "1", "G", 1 << 30, true},
		{"msgqueue", "1", "KB", 1024, true},
		{"data", "1", "k", 0, false},
		{"data", "1", "B", 0, false},
		{"data", "-1", "", 0, false},
		{"data", "0x10", "", 0, false},
		{"data", "1_0", "", 0, false},
		{"data", "", "", 0, false},
		{"data", "18446744073709551615", "", 1<<64 - 1, true},
		{"data", "18446744073709551616", "", 0, false},
		{"data", "18446744073709551615", "K", 0, false},
		{"nofile", "10", "", 10, true},
		{"nofile", "10", "K", 0, false},
		{"nice", "-20", "", 0, true},
		{"nice", "-5", "", 15, true},
		{"nice", "19", "", 39, true},
		{"nice", "20", "", 0, false},
		{"nice", "-21", "", 0, false},
		{"nice", "5", "s", 0, false},
		{"nice", "infinity", "", Infinity, true},
		{"CPU", "1", "", 0, false},
		{"foo", "1", "", 0, false},
	} {
		got, err := parseRlimit(&ast.RlimitRule{Name: tt.name, Value: tt.value, Unit: tt.unit})
		if (err == nil) != tt.ok || err == nil && got != (Rlimit{Name: tt.name, Value: tt.want}) {
			t.Errorf("%s <= %s%s: %v, %v; want %d, %t", tt.name, tt.value, tt.unit, got, err, tt.want, tt.ok)
		}
	}
	if got, err := parseRlimit(&ast.RlimitRule{Name: "ofile", Value: "1"}); err != nil || got.Name != "nofile" {
		t.Errorf("ofile: %v, %v", got, err)
	}
}

func TestLastRlimitWins(t *testing.T) {
	s, err := resolveFile(Options{}, &ast.Profile{Name: "t", Body: []ast.Stmt{
		&ast.RlimitRule{Name: "ofile", Value: "1"},
		&ast.RlimitRule{Name: "as", Value: "1", Unit: "K"},
		&ast.Block{Body: []ast.Stmt{&ast.RlimitRule{Name: "nofile", Value: "2"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Rlimit{{Name: "nofile", Value: 2}, {Name: "as", Value: 1024}}, s.Profiles[0].Rlimits, cmpopts.IgnoreFields(Rlimit{}, "Origin")); diff != "" {
		t.Error(diff)
	}
	if len(s.Profiles[0].Rules) != 0 {
		t.Errorf("rlimits among the rules: %v", s.Profiles[0].Rules)
	}
}
