// SPDX-License-Identifier: Apache-2.0

package expect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/policyfiles"
	"github.com/goarmor/apparmor/query"
)

// Options are the options of Check. The zero value is ready for use.
type Options struct {
	// Kernels are names of package features that take the place of those that
	// files of expectations name.
	Kernels []string
}

// ErrNoFiles says that a directory has no files of expectations.
var ErrNoFiles = errors.New("no files whose names end in .expect")

// Check checks all files of expectations of a directory, those whose names end in
// .expect, or one such file. The report has every statement; one that does not
// hold is not an error. The error joins what is wrong with files of expectations
// and of policy, each a diag.List, a *diag.Diagnostic, a *diag.LimitError or one
// of the file system, or is ctx's; there is no report then.
func Check(ctx context.Context, dir string, o Options) (*Report, error) {
	names, err := files(dir)
	if err != nil {
		return nil, err
	}
	report := &Report{Statements: []Result{}}
	var errs []error
	for _, name := range names {
		text, err := policyfiles.Read(name, MaxBytes)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		file, err := Parse(name, text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		results, err := file.Check(ctx, filepath.Dir(name), o)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		report.Statements = append(report.Statements, results...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return report, nil
}

// files returns the files of expectations of a directory, or the one that is
// named.
func files(dir string) ([]string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".expect" && e.Name()[0] != '.' {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	switch {
	case len(names) == 0:
		return nil, &fs.PathError{Op: "check", Path: dir, Err: ErrNoFiles}
	case len(names) > MaxFiles:
		return nil, &diag.LimitError{What: "files of expectations", Limit: MaxFiles, Got: int64(len(names))}
	}
	return names, nil
}

// Check checks the statements of a file whose paths are relative to dir. The
// error is as that of the function Check.
func (f *File) Check(ctx context.Context, dir string, o Options) ([]Result, error) {
	kernels := f.Kernels
	if len(o.Kernels) > 0 {
		kernels = o.Kernels
	}
	c := checker{dir: dir, include: f.paths(dir, f.Include)}
	var err error
	if c.files, err = policyfiles.Load(ctx, f.paths(dir, f.Policy), policyfiles.Options{Include: c.include}); err != nil {
		return nil, err
	}
	results := make([]Result, len(f.Statements))
	for i, s := range f.Statements {
		results[i] = Result{Statement: s, Failures: []Failure{}}
	}
	for _, name := range kernels {
		set, ok := features.Kernel(name)
		if !ok {
			return nil, fmt.Errorf("unknown kernel %q: one of %s", name, strings.Join(features.Kernels(), ", "))
		}
		c.kernel, c.set = name, set
		if c.profiles, err = policyfiles.Profiles(ctx, c.files, set); err != nil {
			return nil, err
		}
		for i, s := range f.Statements {
			failures, err := c.statement(ctx, s)
			if err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return nil, err
			}
			results[i].Failures = append(results[i].Failures, failures...)
		}
	}
	return results, nil
}

func (f *File) paths(dir string, names []string) []string {
	var out []string
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		out = append(out, name)
	}
	return out
}

// checker checks statements against policy compiled for one kernel.
type checker struct {
	dir      string
	include  []string
	files    []*policyfiles.File
	kernel   string
	set      *features.Set
	profiles []policyfiles.Profile
}

// about returns the profiles that a statement is about.
func (s *Statement) about(all []policyfiles.Profile) []policyfiles.Profile {
	var out []policyfiles.Profile
	for _, p := range all {
		name := p.Title()
		switch s.subject.kind {
		case "machine":
			top, _, below := strings.Cut(name, "//")
			if (!below || s.Verb != May) && s.subject.re.MatchString(top) {
				out = append(out, p)
			}
		case "profile":
			if s.subject.re.MatchString(name) {
				out = append(out, p)
			}
		default:
			out = append(out, p)
		}
	}
	return out
}

func (c *checker) statement(ctx context.Context, s *Statement) ([]Failure, error) {
	profiles := s.about(c.profiles)
	if len(profiles) == 0 && s.subject.kind != "" {
		var names []string
		for _, p := range c.profiles[:min(len(c.profiles), 5)] {
			names = append(names, fmt.Sprintf("%q", p.Title()))
		}
		return []Failure{{Kernel: c.kernel, Problem: NoProfile, Message: fmt.Sprintf("no profile has the name %s; there are %s", s.subject.name, cmp.Or(strings.Join(names, ", "), "none"))}}, nil
	}
	switch {
	case s.Verb >= Covers:
		return c.compare(ctx, s, profiles)
	case s.request.rule == "":
		return c.named(ctx, s, profiles)
	}
	set, err := c.requests(ctx, s.request)
	if err != nil {
		return nil, s.placed(err)
	}
	var out []Failure
	for _, p := range profiles {
		found, err := c.pattern(ctx, s, p, set)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// pattern checks one profile against a set of requests.
func (c *checker) pattern(ctx context.Context, s *Statement, p policyfiles.Profile, set *requests) ([]Failure, error) {
	var found []query.Difference
	mediated, dropped, coarse := false, "", ""
	if set.Requests != nil {
		dropped, coarse = set.Dropped, set.Coarse
		for _, r := range set.Sets {
			r.Perms = set.mayPerms
			ask := p.Refused
			if s.Verb == MustDeny {
				ask, r.Perms = p.Passing, set.denyPerms
			}
			some, err := ask(ctx, r)
			if errors.Is(err, query.ErrRequests) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%v: profile %q: %w", s.Pos, p.Title(), err)
			}
			mediated = true
			found = append(found, some...)
		}
	}
	for _, r := range set.single {
		d, err := p.Ask(r)
		if err != nil {
			return nil, err
		}
		mediated = true
		if d.Permitted() == (s.Verb == MustDeny) {
			found = append(found, query.Difference{Request: r, AnswerA: d})
		}
	}
	if !mediated || dropped != "" {
		if s.Verb == May {
			return nil, nil
		}
		return []Failure{{Kernel: c.kernel, Profile: p.Title(), Problem: NotMediated,
			Message: fmt.Sprintf("kernel %s does not mediate it: %s", c.kernel, cmp.Or(dropped, "no such class"))}}, nil
	}
	var out []Failure
	for _, d := range found {
		if d.Request == nil || len(out) >= MaxCounterexamples {
			continue
		}
		f, err := c.failure(ctx, s, p, d.Request, d.AnswerA)
		if err != nil {
			return nil, err
		}
		if coarse != "" {
			f.Message += "; kernel " + c.kernel + " sees less than the statement says: " + coarse
		}
		out = append(out, f)
	}
	return out, nil
}

// named checks requests about one name.
func (c *checker) named(ctx context.Context, s *Statement, profiles []policyfiles.Profile) ([]Failure, error) {
	var out []Failure
	for _, p := range profiles {
		var r query.Request = query.ChangeHat{Hats: []string{s.request.hat}}
		if s.request.attach != "" {
			r = query.Attach{Path: s.request.attach}
		}
		d, err := p.Ask(r)
		if err != nil {
			return nil, err
		}
		if d.Allowed() != (s.Verb == MustDeny) {
			continue
		}
		f, err := c.failure(ctx, s, p, r, d)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// failure describes a counterexample and the rules that decide it.
func (c *checker) failure(ctx context.Context, s *Statement, p policyfiles.Profile, r query.Request, d query.Decision) (Failure, error) {
	f := Failure{Kernel: c.kernel, Profile: p.Title(), Request: r, Decision: d, Rules: []Rule{}}
	switch {
	case s.Verb == MustDeny && d.Mode == blob.Enforce || s.Verb == Within:
		f.Problem = Passes
		f.Message = fmt.Sprintf("profile %q lets pass: %v: %v", f.Profile, r, d)
	case s.Verb == MustDeny:
		f.Problem = Passes
		f.Message = fmt.Sprintf("profile %q is in mode %v and lets pass: %v: %v", f.Profile, d.Mode, r, d)
	default:
		f.Problem = Denied
		f.Message = fmt.Sprintf("profile %q does not let pass: %v: %v", f.Profile, r, d)
	}
	rules, nearest, err := p.Deciding(ctx, r)
	for _, rule := range rules {
		f.Rules = append(f.Rules, Rule(rule))
	}
	if nearest != nil {
		f.Nearest = (*Rule)(nearest)
	}
	return f, err
}

// compare checks a statement about another policy.
func (c *checker) compare(ctx context.Context, s *Statement, profiles []policyfiles.Profile) ([]Failure, error) {
	path := s.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.dir, path)
	}
	files, err := policyfiles.Load(ctx, []string{path}, policyfiles.Options{Include: c.include})
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s.Pos, err)
	}
	others, err := policyfiles.Profiles(ctx, files, c.set)
	if err != nil {
		return nil, err
	}
	if s.subject.kind != "" {
		others = s.about(others)
	}
	if len(others) == 0 {
		return []Failure{{Kernel: c.kernel, Problem: NoProfile, Message: fmt.Sprintf("%s has no profile to compare with", path)}}, nil
	}
	if s.Verb == Covers {
		// What the other policy does not confine does not matter.
		profiles = slices.DeleteFunc(slices.Clone(profiles), func(p policyfiles.Profile) bool {
			return !slices.ContainsFunc(others, func(q policyfiles.Profile) bool { return p.Title() == q.Title() })
		})
	}
	ours, err := policyfiles.Join(profiles)
	if err != nil {
		return nil, err
	}
	theirs, err := policyfiles.Join(others)
	if err != nil {
		return nil, err
	}
	var found []query.Difference
	switch {
	case ours == nil:
		return []Failure{{Kernel: c.kernel, Problem: NoProfile, Message: fmt.Sprintf("no profile is in %s, too", path)}}, nil
	case s.Verb == Covers:
		found, err = ours.Covers(ctx, theirs)
	default:
		found, err = theirs.Covers(ctx, ours)
	}
	if err != nil {
		return nil, err
	}
	var out []Failure
	count := map[string]int{}
	for _, d := range found {
		if count[d.Profile]++; count[d.Profile] > MaxCounterexamples {
			continue
		}
		i := slices.IndexFunc(profiles, func(p policyfiles.Profile) bool { return p.Name == d.Profile })
		answer := d.AnswerA
		if s.Verb == Within {
			answer = d.AnswerB
		}
		if d.Request == nil || i < 0 {
			f := Failure{Kernel: c.kernel, Profile: d.Profile, Problem: Passes, Message: fmt.Sprintf("profile %q differs from that of %s in its %s: %s", d.Profile, path, d.Member, sides(s.Verb, d))}
			if s.Verb == Covers {
				f.Problem = Denied
			}
			out = append(out, f)
			continue
		}
		f, err := c.failure(ctx, s, profiles[i], d.Request, answer)
		if err != nil {
			return nil, err
		}
		f.Message += ", unlike that of " + path
		out = append(out, f)
	}
	return out, nil
}

// sides says what the two policies have in which they differ.
func sides(v Verb, d query.Difference) string {
	ours, theirs := d.TextA, d.TextB
	if v == Within {
		ours, theirs = theirs, ours
	}
	return fmt.Sprintf("%s instead of %s", ours, theirs)
}
