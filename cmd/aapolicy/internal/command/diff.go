// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/policyfiles"
	"github.com/goarmor/apparmor/query"
)

// change is one thing that the new policy does in another way than the old one.
type change struct {
	Profile string `json:"profile"`
	// Change is allowed, for what passes now and did not, denied, for the other
	// way round, added and removed, for whole profiles.
	Change  string             `json:"change"`
	Request string             `json:"request"` // empty for what requests do not show
	Old     string             `json:"old"`
	New     string             `json:"new"`
	Rules   []policyfiles.Rule `json:"rules"` // that decide it: of the new policy, or else of the old one
}

func newDiff(out io.Writer) *cobra.Command {
	var format, kernel string
	var include []string
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what is allowed now that was not, and the other way round",
		Long: `Diff compares two files or directories of policy by what they allow, however it is
written. For each profile it shows requests that the one lets pass and the other
does not, the shortest ones first, each with the rules that decide it:

  + file read|open /etc/a: denied read|open -> allowed
  - capability kill: allowed -> denied

Up to ten requests of a kind are shown, each answered in another way. Comments,
order and what is logged do not count.

The exit status is 0 without differences, 1 with some, and 2 if the input is
wrong.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf(format, "text", "json"); err != nil {
				return err
			}
			set, err := kernelOf(kernel)
			if err != nil {
				return err
			}
			changes, err := diff(c.Context(), args[0], args[1], include, set)
			if err != nil {
				return err
			}
			if format == "json" {
				err = writeJSON(out, changes)
			} else {
				err = writeChanges(out, changes)
			}
			if err == nil && len(changes) > 0 {
				err = errFound
			}
			return err
		},
	}
	kernelFlag(c, &kernel)
	includeFlag(c, &include)
	formatFlag(c, &format, "text", "json")
	return c
}

func diff(ctx context.Context, old, now string, include []string, kernel *features.Set) ([]change, error) {
	var sides [2][]policyfiles.Profile
	for i, path := range []string{old, now} {
		files, err := policyfiles.Load(ctx, []string{path}, policyfiles.Options{Include: include})
		if err != nil {
			return nil, err
		}
		if sides[i], err = policyfiles.Profiles(ctx, files, kernel); err != nil {
			return nil, err
		}
	}
	changes := []change{}
	byName := func(all []policyfiles.Profile, name string) *policyfiles.Profile {
		if i := slices.IndexFunc(all, func(p policyfiles.Profile) bool { return p.Title() == name }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	for _, p := range sides[0] {
		if byName(sides[1], p.Title()) == nil {
			changes = append(changes, change{Profile: p.Title(), Change: "removed", Rules: []policyfiles.Rule{}})
		}
	}
	for i := range sides[1] {
		q := &sides[1][i]
		p := byName(sides[0], q.Title())
		if p == nil {
			changes = append(changes, change{Profile: q.Title(), Change: "added", Rules: []policyfiles.Rule{}})
			continue
		}
		found, err := both(ctx, p, q)
		if err != nil {
			return nil, err
		}
		changes = append(changes, found...)
	}
	return changes, nil
}

// both compares two profiles of one name.
func both(ctx context.Context, p, q *policyfiles.Profile) ([]change, error) {
	allowed, err := p.Covers(ctx, q.Profile)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", p.Title(), err)
	}
	denied, err := q.Covers(ctx, p.Profile)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", p.Title(), err)
	}
	var out []change
	for _, d := range allowed {
		one := change{Profile: p.Title(), Change: "allowed", Old: d.TextA, New: d.TextB}
		if d.Request != nil {
			one.Request, one.Old, one.New = d.Request.String(), d.AnswerA.String(), d.AnswerB.String()
		} else {
			one.Request = d.Member
		}
		out = append(out, one.with(rulesOf(ctx, d.Request, q, p)))
	}
	for _, d := range denied {
		one := change{Profile: p.Title(), Change: "denied", Old: d.TextB, New: d.TextA}
		if d.Request != nil {
			one.Request, one.Old, one.New = d.Request.String(), d.AnswerB.String(), d.AnswerA.String()
		} else {
			one.Request = d.Member
		}
		out = append(out, one.with(rulesOf(ctx, d.Request, q, p)))
	}
	return out, errors.Join(ctx.Err())
}

func (c change) with(rules []policyfiles.Rule) change {
	if c.Rules = rules; rules == nil {
		c.Rules = []policyfiles.Rule{}
	}
	return c
}

// rulesOf returns the rules that decide a request in the new policy or, if there
// is none, those that decided it in the old one.
func rulesOf(ctx context.Context, r query.Request, now, old *policyfiles.Profile) []policyfiles.Rule {
	if r == nil {
		return nil
	}
	for _, p := range []*policyfiles.Profile{now, old} {
		if rules, _, err := p.Deciding(ctx, r); err == nil && len(rules) > 0 {
			return rules
		}
	}
	return nil
}

func writeChanges(w io.Writer, changes []change) error {
	last := ""
	for _, c := range changes {
		var err error
		switch c.Change {
		case "added", "removed":
			_, err = fmt.Fprintf(w, "profile %q is %s\n", c.Profile, map[string]string{"added": "new", "removed": "gone"}[c.Change])
			last = ""
		default:
			if c.Profile != last {
				last = c.Profile
				if _, err = fmt.Fprintf(w, "profile %q\n", c.Profile); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(w, "  %s %s: %s -> %s\n", map[string]string{"allowed": "+", "denied": "-"}[c.Change], c.Request, c.Old, c.New)
			for _, r := range c.Rules {
				if err == nil {
					_, err = fmt.Fprintf(w, "      %v: %s\n", r.Pos, r.Text)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
