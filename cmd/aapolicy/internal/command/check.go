// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/expect"
)

func newCheck(out io.Writer) *cobra.Command {
	var format string
	var o expect.Options
	c := &cobra.Command{
		Use:   "check DIR...",
		Short: "Check what policy must allow and must never allow",
		Long: `Check reads the expectations of directories, which are files whose names end in
.expect, and of such files that are named. It says which do not hold, with a
request for which that is so and the rules that decide it.

The exit status is 0 if all hold, 1 if one does not, and 2 if a file is wrong;
then nothing is on the standard output.`,
		Example: `  aapolicy check examples/policycheck
  aapolicy check --format sarif . >aapolicy.sarif`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, dirs []string) error {
			if err := oneOf(format, "text", "json", "junit", "sarif"); err != nil {
				return err
			}
			all := &expect.Report{Statements: []expect.Result{}}
			for _, dir := range dirs {
				report, err := expect.Check(c.Context(), dir, o)
				if err != nil {
					return err
				}
				all.Statements = append(all.Statements, report.Statements...)
			}
			failed := all.Failed()
			if err := writeReport(out, format, all, failed); err != nil {
				return err
			}
			if len(failed) > 0 {
				return errFound
			}
			return nil
		},
	}
	formatFlag(c, &format, "text", "json", "junit", "sarif")
	c.Flags().StringArrayVar(&o.Kernels, "kernel", nil, "check for this `kernel` instead of those that the files name; can be repeated")
	return c
}

func oneOf(format string, known ...string) error {
	for _, k := range known {
		if format == k {
			return nil
		}
	}
	return fmt.Errorf("unknown form %q: one of %s", format, strings.Join(known, ", "))
}

func writeReport(w io.Writer, format string, all *expect.Report, failed []expect.Result) error {
	switch format {
	case "json":
		return writeJSON(w, all)
	case "junit":
		return writeJUnit(w, junitOf(all))
	case "sarif":
		summaries := map[string]string{}
		for _, p := range []expect.Problem{expect.Passes, expect.Denied, expect.NoProfile, expect.NotMediated} {
			summaries[string(p)] = p.Summary()
		}
		var found []finding
		for _, r := range failed {
			for _, f := range r.Failures {
				one := finding{Code: string(f.Problem), Level: "error", Pos: r.Statement.Pos, Message: r.Statement.Text + ": " + f.Message + " (kernel " + f.Kernel + ")"}
				for _, rule := range f.Rules {
					one.Related = append(one.Related, rule.Pos)
				}
				found = append(found, one)
			}
		}
		return writeSARIF(w, found, summaries)
	}
	for _, r := range failed {
		if _, err := fmt.Fprintln(w, r.String()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d of %d expectations hold\n", len(all.Statements)-len(failed), len(all.Statements))
	return err
}

// junitOf has a suite for each file and a case for each statement.
func junitOf(all *expect.Report) []junitSuite {
	var suites []junitSuite
	at := func(pos diag.Position) *junitSuite {
		if n := len(suites); n == 0 || suites[n-1].Name != pos.File {
			suites = append(suites, junitSuite{Name: pos.File})
		}
		return &suites[len(suites)-1]
	}
	for _, r := range all.Statements {
		suite := at(r.Statement.Pos)
		one := junitCase{Name: r.Statement.Text, Class: r.Statement.Pos.File, File: r.Statement.Pos.File, Line: r.Statement.Pos.Line}
		if len(r.Failures) > 0 {
			suite.Failures++
			one.Failure = &junitFailure{r.Failures[0].Problem.Summary(), string(r.Failures[0].Problem), r.String()}
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, one)
	}
	return suites
}
