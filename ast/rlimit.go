// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
	"strconv"
)

// The range of the resource nice.
const (
	minNice = -20
	maxNice = 19
)

// problem tells which field of a limit on a known resource is wrong, and why.
func (r *RlimitRule) problem() (field string, err error) {
	if r.Value == "infinity" {
		for i := 0; i < len(r.Unit); i++ {
			if b := r.Unit[i] | 0x20; b < 'a' || b > 'z' {
				return "Unit", errBytes
			}
		}
		return "", nil // any unit is as good as none
	}
	digits := r.Value
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	switch {
	case !isDigits(digits):
		return "Value", errors.New("is neither a number nor infinity")
	case r.Name == "nice":
		if v, err := strconv.Atoi(r.Value); err != nil || v < minNice || v > maxNice {
			return "Value", fmt.Errorf("is not within %d and %d", minNice, maxNice)
		}
		if r.Unit != "" {
			return "Unit", errors.New("belongs to a resource that has none")
		}
		return "", nil
	case r.Value[0] == '-':
		return "Value", errors.New("cannot be negative")
	}
	switch r.Name {
	case "cpu", "rttime":
		unit, ok := TimeUnit(r.Unit)
		if !ok && r.Unit != "" {
			return "Unit", errors.New("is no unit of time, there are us, ms, s, min, h, d, week and their long names")
		}
		v, err := strconv.ParseUint(r.Value, 0, 64)
		if err == nil && r.Name == "cpu" && unit != 0 && unit < 1e6 && v < 1e6/unit {
			return "Value", errors.New("is less than a second")
		}
	case "fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue":
		switch r.Unit {
		case "", "K", "KB", "M", "MB", "G", "GB":
		default:
			return "Unit", errors.New("is no unit of size, there are K, KB, M, MB, G and GB")
		}
	default:
		if r.Unit != "" {
			return "Unit", errors.New("belongs to a resource that has none")
		}
	}
	return "", nil
}

// TimeUnit returns the length in microseconds of a unit of time that an rlimit
// rule names, and false for any other word.
func TimeUnit(unit string) (microseconds uint64, ok bool) {
	switch unit {
	case "us", "microsecond", "microseconds":
		return 1, true
	case "ms", "millisecond", "milliseconds":
		return 1e3, true
	case "s", "sec", "second", "seconds":
		return 1e6, true
	case "min", "minute", "minutes":
		return 60e6, true
	case "h", "hour", "hours":
		return 3600e6, true
	case "d", "day", "days":
		return 86400e6, true
	case "week", "weeks":
		return 7 * 86400e6, true
	}
	return 0, false
}
