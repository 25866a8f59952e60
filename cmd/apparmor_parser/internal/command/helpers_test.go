// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"strings"
	"testing"
)

// outcome is what a run of the command comes to.
type outcome struct {
	Status         int
	Stdout, Stderr string
}

// runIn runs the command in a directory, without the machine's configuration.
func runIn(tb testing.TB, dir, stdin string, args ...string) outcome {
	tb.Helper()
	return runEnv(tb, Env{Dir: dir, Stdin: strings.NewReader(stdin)}, append([]string{"--config-file=/dev/null"}, args...)...)
}

func runEnv(tb testing.TB, env Env, args ...string) outcome {
	tb.Helper()
	var out, errs bytes.Buffer
	env.Stdout, env.Stderr = &out, &errs
	status := Run(tb.Context(), args, env)
	return outcome{status, out.String(), errs.String()}
}
