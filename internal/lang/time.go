// SPDX-License-Identifier: Apache-2.0

package lang

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
