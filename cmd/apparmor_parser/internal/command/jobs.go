// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/getopt"
)

// autoJobs, as a number of jobs, is one for each processor.
const autoJobs = -1

// manyJobs is more jobs than anybody could want.
const manyJobs = math.MaxInt32

func setJobs(o *options, arg string) error {
	n, err := parseJobs("-j", arg)
	if err != nil {
		return err
	}
	o.jobs = n
	if n >= 0 && n < manyJobs && !strings.HasPrefix(arg, "x") {
		o.maxJobs = n
	}
	return nil
}

func setMaxJobs(o *options, arg string) (err error) {
	o.maxJobs, err = parseJobs("max-jobs", arg)
	return err
}

// parseJobs reads a number of jobs: N in any base of C, xN or a negative one
// for a multiple of the processors, auto and max.
func parseJobs(option, arg string) (int, error) {
	switch arg {
	case "auto":
		return autoJobs, nil
	case "max":
		return manyJobs, nil
	}
	digits, times := strings.CutPrefix(arg, "x")
	n, err := strconv.ParseInt(digits, 0, 32)
	switch {
	case err != nil || strings.Contains(digits, "_"):
		return 0, getopt.Error(fmt.Sprintf("Invalid option %s=%s", option, arg))
	case n < 0 && !times:
		n, times = -n, true
	}
	if times {
		n *= int64(runtime.NumCPU())
	}
	return int(max(0, min(n, manyJobs))), nil
}

func setJobSize(o *options, arg string) error {
	digits, unit := arg, int64(1)
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}} {
		if rest, ok := strings.CutSuffix(arg, u.name); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 0, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return getopt.Error(fmt.Sprintf("--estimated-compile-size invalid size '%s'", arg))
	}
	o.jobSize = n * unit
	return nil
}

// workers returns how many inputs are processed at a time, at least one.
func (r *run) workers() int {
	o := r.options
	n, most := o.jobs, o.maxJobs
	if n == autoJobs {
		n = runtime.NumCPU()
		if free, ok := availableMemory(); ok && o.jobSize > 0 {
			n = int(min(int64(n), free/o.jobSize))
		}
	}
	if most == autoJobs {
		most = runtime.NumCPU()
	}
	if n > most {
		r.report.warning(classJobs, "the number of jobs is capped to %d", most)
		n = most
	}
	n = max(1, n)
	if o.debugJobs {
		r.report.plain(diag.Warning, classJobs, fmt.Sprintf("jobs: %d", n))
	}
	return n
}

// availableMemory returns how many bytes of memory programs can have without
// swapping, as the kernel estimates it.
func availableMemory() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "MemAvailable:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err == nil && n < math.MaxInt64>>10
		}
	}
	return 0, false
}
