// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Infinity is the value of an Rlimit that does not limit.
const Infinity = math.MaxUint64

// sizeUnits are the units of sizes, in bytes.
var sizeUnits = map[string]uint64{
	"": 1, "K": 1 << 10, "KB": 1 << 10, "M": 1 << 20, "MB": 1 << 20, "G": 1 << 30, "GB": 1 << 30,
}

// ParseRlimit returns what a `set rlimit` rule says, in the units of
// setrlimit(2): bytes, seconds (of rttime microseconds) or a count; a nice
// value n as n+20. A number with a leading 0 is octal. What the reference
// reads as another number than the one written, because a digit is not octal
// or the value overflows, is refused. The error says what is wrong with the
// rule, without its place.
func ParseRlimit(s *ast.RlimitRule) (Rlimit, error) {
	name := s.Name
	if name == "ofile" {
		name = "nofile"
	}
	if !ast.Rlimits().Has(name) {
		return Rlimit{}, errors.New("unknown resource")
	}
	if s.Value == "infinity" { // any unit is as good as none
		return Rlimit{Name: name, Value: Infinity}, nil
	}
	if name == "nice" {
		n, err := strconv.ParseInt(s.Value, 0, 32)
		switch {
		case err != nil || !isNumber(s.Value) || s.Unit != "":
			return Rlimit{}, errors.New("nice takes a number without a unit")
		case n < -20 || n > 19:
			return Rlimit{}, errors.New("nice is not within -20 and 19")
		}
		return Rlimit{Name: name, Value: uint64(n + 20)}, nil
	}
	n, err := strconv.ParseUint(s.Value, 0, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Rlimit{}, errors.New("value does not fit into 64 bits")
	}
	if err != nil || !isNumber(s.Value) {
		if isNumber(s.Value) {
			return Rlimit{}, errors.New("a value with a leading 0 is octal, which has no digits 8 and 9")
		}
		return Rlimit{}, errors.New("value is neither a number nor infinity")
	}
	switch name {
	case "cpu", "rttime":
		unit := s.Unit
		if unit == "" && name == "cpu" {
			unit = "s"
		} else if unit == "" {
			unit = "us"
		}
		factor, ok := ast.TimeUnit(unit)
		if !ok {
			return Rlimit{}, fmt.Errorf("unknown unit of time %s", unit)
		}
		if n > math.MaxUint64/factor {
			return Rlimit{}, errors.New("value does not fit into 64 bits")
		}
		n *= factor
		if name == "rttime" {
			return Rlimit{Name: name, Value: n}, nil
		}
		if n != 0 && n < 1e6 {
			return Rlimit{}, errors.New("cpu is less than a second")
		}
		return Rlimit{Name: name, Value: n / 1e6}, nil
	case "fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue":
		factor, ok := sizeUnits[s.Unit]
		if !ok {
			return Rlimit{}, fmt.Errorf("unknown unit of size %s", s.Unit)
		}
		if n > math.MaxUint64/factor {
			return Rlimit{}, errors.New("value does not fit into 64 bits")
		}
		return Rlimit{Name: name, Value: n * factor}, nil
	}
	if s.Unit != "" {
		return Rlimit{}, fmt.Errorf("%s takes no unit", name)
	}
	return Rlimit{Name: name, Value: n}, nil
}

// isNumber reports whether a word has only a sign and digits: no underscores
// and no letters, which Go would take.
func isNumber(word string) bool {
	if word != "" && (word[0] == '-' || word[0] == '+') {
		word = word[1:]
	}
	for i := 0; i < len(word); i++ {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return word != ""
}

func (r *resolver) rlimit(s *ast.RlimitRule, o Origin) (Rlimit, bool) {
	l, err := ParseRlimit(s)
	if err != nil {
		return l, false // reported by checkRule
	}
	if s.Unit == "" && s.Value != "infinity" {
		switch l.Name {
		case "cpu":
			r.warnf(o, diag.ClassMissing, diag.WarnRlimitUnit, s.Value, "rlimit cpu without a unit: seconds are meant")
		case "rttime":
			r.warnf(o, diag.ClassMissing, diag.WarnRlimitUnit, s.Value, "rlimit rttime without a unit: microseconds are meant")
		}
	}
	l.Origin = o
	return l, true
}
