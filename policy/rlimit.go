// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"errors"
	"math"
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// Infinity is the value of an Rlimit that does not limit.
const Infinity = math.MaxUint64

// sizeUnits are the units of sizes, in bytes.
var sizeUnits = map[string]uint64{
	"": 1, "K": 1 << 10, "KB": 1 << 10, "M": 1 << 20, "MB": 1 << 20, "G": 1 << 30, "GB": 1 << 30,
}

// parseRlimit returns the limit that a `set rlimit` rule sets, in the units of
// setrlimit(2): bytes, seconds (of rttime microseconds) or a count; a nice
// value n as n+20. A number with a leading 0 is octal. What the reference
// reads as another number than the one written, because a digit is not octal
// or the value overflows, is refused. The error says what is wrong with the
// rule, without its place.
func parseRlimit(s *ast.RlimitRule) (Rlimit, error) {
	name := s.Name
	if name == "ofile" {
		name = "nofile"
	}
	if err := (*ast.CheckError)(nil); errors.As(ast.CheckRule(s, ast.State{}), &err) {
		return Rlimit{}, errors.New(err.Problem)
	}
	switch {
	case s.Value == "infinity": // a unit has no meaning here
		return Rlimit{Name: name, Value: Infinity}, nil
	case name == "nice":
		n, err := strconv.ParseInt(s.Value, 0, 32)
		if err != nil {
			return Rlimit{}, octal(s)
		}
		return Rlimit{Name: name, Value: uint64(n + 20)}, nil
	}
	n, err := strconv.ParseUint(s.Value, 0, 64)
	if errors.Is(err, strconv.ErrRange) {
		return Rlimit{}, tooLarge(s)
	}
	if err != nil {
		return Rlimit{}, octal(s)
	}
	factor := uint64(1)
	switch name {
	case "cpu", "rttime":
		factor, _ = lang.TimeUnit(cmp.Or(s.Unit, defaultUnits[name]))
	case "fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue":
		factor = sizeUnits[s.Unit]
	}
	if n > math.MaxUint64/factor {
		return Rlimit{}, tooLarge(s)
	}
	n *= factor
	if name == "cpu" {
		if n != 0 && n < 1e6 {
			return Rlimit{}, errors.New(s.Name + ": the limit is less than a second")
		}
		n /= 1e6
	}
	return Rlimit{Name: name, Value: n}, nil
}

// defaultUnits are the units of times without one.
var defaultUnits = map[string]string{"cpu": "s", "rttime": "us"}

func tooLarge(s *ast.RlimitRule) error {
	return errors.New(s.Name + ": the limit does not fit into 64 bits")
}

func octal(s *ast.RlimitRule) error {
	return errors.New(s.Name + ": a limit with a leading 0 is octal, which has no digits 8 and 9")
}

func (r *resolver) rlimit(s *ast.RlimitRule, o Origin) (Rlimit, bool) {
	l, err := parseRlimit(s)
	if err != nil {
		return l, false // reported by checkRule
	}
	if s.Unit == "" && s.Value != "infinity" {
		switch l.Name {
		case "cpu":
			r.warnf(o, diag.ClassMissing, diag.WarnRlimitUnit, s.Value, "the rlimit cpu has no unit; seconds are assumed")
		case "rttime":
			r.warnf(o, diag.ClassMissing, diag.WarnRlimitUnit, s.Value, "the rlimit rttime has no unit; microseconds are assumed")
		}
	}
	l.Origin = o
	return l, true
}
