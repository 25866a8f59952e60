// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strconv"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/getopt"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// maxTimes is how many times the default limits may be asked for.
const maxTimes = 1000

// setLimits sets what an input may take: `untrusted` for policy of strangers,
// or a number of times the defaults of compiling.
func setLimits(o *options, s string) error {
	o.limits, o.resolve, o.parse = compile.Limits{}, policy.Limits{}, parser.Limits{}
	switch s {
	case "default":
		return nil
	case "untrusted":
		o.limits, o.resolve, o.parse = compile.Untrusted(), policy.Untrusted(), parser.Untrusted()
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxTimes {
		return getopt.Error("Invalid --limits option: default, untrusted or a number from 1 to " + strconv.Itoa(maxTimes))
	}
	o.limits = compile.Limits{
		Work: int64(n) * compile.DefaultWork, States: n * compile.DefaultStates,
		Memory: int64(n) * compile.DefaultMemory, Bytes: compile.DefaultBytes,
	}
	return nil
}
