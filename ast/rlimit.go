// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/linux"
)

// RlimitRule is `set rlimit name <= value [unit],`. It takes no qualifiers.
type RlimitRule struct {
	Span
	Qualifiers        // always zero
	Name       string // cpu, nofile, ...
	Value      string // a number or "infinity"
	Unit       string // K, MB, min, ...; empty: none
}

func (*RlimitRule) stmt() {}

// Class implements Rule.
func (*RlimitRule) Class() Class { return ClassRlimit }

func (r *RlimitRule) clone() Rule { c := *r; return &c }

func (r *RlimitRule) check(c checker) *CheckError {
	if r.Qualifiers != (Qualifiers{}) {
		return c.fail(diag.CodeQualifier, "Qualifiers", "", "rlimit rules take no qualifiers")
	}
	if !Rlimits().Has(r.Name) {
		return c.unknown(diag.CodeRlimit, "Name", r.Name, Rlimits(), "resource")
	}
	if field, err := r.problem(); err != nil {
		text := r.Value
		if field == "Unit" {
			text = r.Unit
		}
		return c.fail(diag.CodeRlimit, field, text, r.Name+": "+err.Error())
	}
	return nil
}

// Rlimits returns the resources of rlimit rules; ofile is nofile.
func Rlimits() Vocabulary { return Vocabulary{words: linux.Rlimits, more: rlimitAliases} }

// rlimitAliases are other names of nofile.
var rlimitAliases = []string{"ofile"}

// The range of the resource nice.
const (
	minNice = -20
	maxNice = 19
)

// problem says which field of a limit on a known resource is wrong, and why.
func (r *RlimitRule) problem() (field string, err error) {
	if r.Value == "infinity" {
		for i := 0; i < len(r.Unit); i++ {
			if b := r.Unit[i] | 0x20; b < 'a' || b > 'z' {
				return "Unit", errors.New("a unit is a word of letters")
			}
		}
		return "", nil // a unit has no meaning here
	}
	digits := r.Value
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	switch {
	case !isDigits(digits):
		return "Value", errors.New("the limit must be a number or infinity")
	case r.Name == "nice":
		if v, err := strconv.Atoi(r.Value); err != nil || v < minNice || v > maxNice {
			return "Value", fmt.Errorf("the limit must be from %d to %d", minNice, maxNice)
		}
		if r.Unit != "" {
			return "Unit", errors.New("the resource has no units")
		}
		return "", nil
	case r.Value[0] == '-':
		return "Value", errors.New("the limit is negative")
	}
	switch r.Name {
	case "cpu", "rttime":
		unit, ok := lang.TimeUnit(r.Unit)
		if !ok && r.Unit != "" {
			return "Unit", errors.New("unknown unit of time; the units are us, ms, s, min, h, d, week and their long names")
		}
		v, err := strconv.ParseUint(r.Value, 0, 64)
		if err == nil && r.Name == "cpu" && unit != 0 && unit < 1e6 && v < 1e6/unit {
			return "Value", errors.New("the limit is less than a second")
		}
	case "fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue":
		switch r.Unit {
		case "", "K", "KB", "M", "MB", "G", "GB":
		default:
			return "Unit", errors.New("unknown unit of size; the units are K, KB, M, MB, G and GB")
		}
	default:
		if r.Unit != "" {
			return "Unit", errors.New("the resource has no units")
		}
	}
	return "", nil
}
