// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/expect"
)

// explanation is what a profile says to the requests of a pattern.
type explanation struct {
	Profile string           `json:"profile"`
	Request string           `json:"request"`
	Passes  string           `json:"passes"` // all, some or none
	Passing []expect.Failure `json:"passing"`
	Denied  []expect.Failure `json:"denied"`
}

func newExplain(out io.Writer) *cobra.Command {
	var format, kernel string
	c := &cobra.Command{
		Use:   "explain POLICY PROFILE REQUEST...",
		Short: "Say what a profile does with a request, and which rules decide",
		Long: `Explain asks a profile of a file or directory of policy for every request of a
pattern, and says whether all of them pass, some or none, with examples and the
rules that decide them. A request is written as in files of expectations:

  write /etc/shadow      capability net_admin     signal send set=kill peer=x

The exit status is 0 whatever the answer is, and 2 if the input is wrong.`,
		Example: `  aapolicy explain /etc/apparmor.d/usr.sbin.nginx nginx read '/etc/ssl/**'`,
		Args:    cobra.MinimumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(format, "text", "json"); err != nil {
				return err
			}
			if _, err := kernelOf(kernel); err != nil {
				return err
			}
			e, err := explained(c.Context(), args, kernel)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(out, e)
			}
			return e.write(out)
		},
	}
	// What follows the profile may look like a flag, such as ->.
	c.Flags().SetInterspersed(false)
	kernelFlag(c, &kernel)
	formatFlag(c, &format, "text", "json")
	return c
}

func explained(ctx context.Context, args []string, kernel string) (*explanation, error) {
	var words []string
	for _, a := range args[2:] {
		if strings.ContainsAny(a, " \t") && !strings.Contains(a, `"`) && strings.HasPrefix(a, "/") {
			a = `"` + a + `"`
		}
		words = append(words, a)
	}
	e := &explanation{Profile: args[1], Request: strings.Join(words, " "), Passing: []expect.Failure{}, Denied: []expect.Failure{}}
	if strings.ContainsAny(args[0]+args[1]+e.Request, "\n\r") {
		return nil, errors.New("a line break cannot be asked about")
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	text := fmt.Sprintf("policy \"%s\"\nprofile \"%s\" may %s\nprofile \"%[2]s\" must deny %[3]s\n", quote.Replace(args[0]), quote.Replace(args[1]), e.Request)
	file, err := expect.Parse("request", text)
	if err != nil {
		return nil, err
	}
	results, err := file.Check(ctx, "", expect.Options{Kernels: []string{kernel}})
	if err != nil {
		return nil, err
	}
	may, deny := results[0].Failures, results[1].Failures
	if len(may) > 0 && may[0].Problem == expect.NoProfile {
		return nil, errors.New(may[0].Message)
	}
	e.Denied, e.Passing = append(e.Denied, may...), append(e.Passing, deny...)
	switch {
	case len(may) == 0:
		e.Passes = "all"
	case len(deny) == 0:
		e.Passes = "none"
	default:
		e.Passes = "some"
	}
	return e, nil
}

func (e *explanation) write(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "profile %q, %s: %s\n", e.Profile, e.Request, map[string]string{"all": "allowed", "none": "denied", "some": "allowed in part"}[e.Passes])
	for _, f := range append(e.Passing[:len(e.Passing):len(e.Passing)], e.Denied...) {
		if f.Request == nil {
			fmt.Fprintf(&out, "  %s\n", f.Message)
			continue
		}
		fmt.Fprintf(&out, "  %v: %v\n", f.Request, f.Decision)
		for _, r := range f.Rules {
			fmt.Fprintf(&out, "    %v: %s\n", r.Pos, r.Text)
		}
		if f.Nearest != nil {
			fmt.Fprintf(&out, "    nearest rule: %v: %s\n", f.Nearest.Pos, f.Nearest.Text)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
