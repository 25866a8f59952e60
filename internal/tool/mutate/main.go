// SPDX-License-Identifier: Apache-2.0

// Command mutate tells how strong the tests are: it makes small changes to the
// code, one at a time, and runs the tests of the package and of those that are
// named for it. A change that no test notices is a missing test, or one that
// changes nothing that can be seen.
//
//	go run ./internal/tool/mutate [-seed N] [-n N] [-list] [-at REGEXP] [PACKAGE...]
//
// Packages are directories, such as compile or query/explain; without any, those
// of the table below are taken. For each, N places are chosen by the seed, and
// those of places.txt are always among them. Nothing is written to the tree:
// the changed file is laid over it (go build -overlay).
//
// For each change it prints killed, survived or broken (it does not build), what
// was changed and where, then a summary. A place that no test reaches survives
// without a run.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suites are the packages that are changed without being named, and whose tests
// are run beside their own, which come first.
var suites = []struct {
	pkg  string
	with []string
}{
	{"compile", []string{"query", "query/explain"}},
	{"compile/internal/automaton", []string{"compile"}},
	{"policy", []string{"compile"}},
	{"parser", nil},
	{"render", nil},
	{"blob", []string{"query"}},
	{"query", []string{"query/explain"}},
	{"query/explain", nil},
	{"loader", nil},
	{"svirt", nil},
	{"internal/lex", []string{"parser"}},
	{"internal/linux", nil},
}

//go:embed places.txt
var placesText string

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "chooses the places")
	flag.IntVar(&o.n, "n", 20, "how many places of a package; 0: all")
	flag.BoolVar(&o.list, "list", false, "print the places and run nothing")
	flag.StringVar(&o.at, "at", "", "only places whose line matches, such as file.go:12:")
	flag.StringVar(&o.with, "with", "", "packages whose tests are run as well, separated by commas")
	flag.StringVar(&o.run, "run", "", "only these tests, as for go test")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "what a run of tests may take; a change that makes it longer is killed")
	flag.Parse()
	root, err := moduleRoot()
	if err == nil {
		o.root = root
		err = o.main(context.Background(), os.Stdout, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	root    string
	seed    uint64
	n       int
	list    bool
	at      string
	with    string
	run     string
	timeout time.Duration
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("run it within the module")
	}
	return filepath.Dir(mod), nil
}

// result is what became of a change.
type result string

const (
	killed   result = "killed"
	survived result = "survived"
	broken   result = "broken" // does not build
)

type count map[result]int

func (c count) String() string {
	tried := c[killed] + c[survived]
	share := 100.0
	if tried > 0 {
		share = 100 * float64(c[killed]) / float64(tried)
	}
	return fmt.Sprintf("%d of %d killed (%.1f %%), %d did not build", c[killed], tried, share, c[broken])
}

func (o *options) main(ctx context.Context, w io.Writer, pkgs []string) error {
	type suite struct{ own, with []string }
	var all []suite
	extra := strings.FieldsFunc(o.with, func(r rune) bool { return r == ',' })
	for _, s := range suites {
		if len(pkgs) == 0 || slices.Contains(pkgs, s.pkg) {
			all = append(all, suite{[]string{s.pkg}, append(slices.Clone(s.with), extra...)})
		}
	}
	for _, p := range pkgs {
		if !slices.ContainsFunc(all, func(s suite) bool { return s.own[0] == p }) {
			all = append(all, suite{[]string{p}, extra})
		}
	}
	total := count{}
	var left []site
	for _, s := range all {
		pkg := s.own[0]
		sites, err := o.sites(w, pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		if o.list {
			for _, site := range sites {
				fmt.Fprintln(w, site)
			}
			continue
		}
		got, alive, err := o.try(ctx, w, pkg, s.with, sites)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		fmt.Fprintf(w, "%s: %v\n", pkg, got)
		for r, n := range got {
			total[r] += n
		}
		left = append(left, alive...)
	}
	if o.list {
		return nil
	}
	fmt.Fprintf(w, "all: %v\n", total)
	for _, s := range left {
		fmt.Fprintln(w, "survived", s)
	}
	return nil
}

// sites returns the places of a package that are tried.
func (o *options) sites(w io.Writer, pkg string) ([]site, error) {
	sources, err := o.sources(pkg)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, src := range sources {
		names = append(names, constants(src.text, "")...)
	}
	for _, other := range []string{"blob", "ast", "features"} {
		if others, err := o.sources(other); err == nil && other != pkg {
			for _, src := range others {
				names = append(names, constants(src.text, other+".")...)
			}
		}
	}
	var found []site
	for _, src := range sources {
		s, err := find(src.name, src.text, names)
		if err != nil {
			return nil, err
		}
		found = append(found, s...)
	}
	if o.at == "" && o.n > 0 && len(found) > o.n {
		found = choose(found, o.n, o.seed)
	}
	for _, p := range places(placesText) {
		if filepath.ToSlash(filepath.Dir(p.file)) != pkg {
			continue
		}
		s, err := p.site(sources)
		if err != nil {
			fmt.Fprintln(w, "gone", err)
			continue
		}
		found = append(found, s)
	}
	if o.at != "" {
		at, err := regexp.Compile(o.at)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(s site) bool { return !at.MatchString(s.String()) })
	}
	return found, nil
}

// choose takes n sites, as many of each kind as there are, so that the many
// numbers do not crowd out the few locks.
func choose(all []site, n int, seed uint64) []site {
	r := rand.New(rand.NewPCG(seed, 0))
	byKind := map[string][]site{}
	var kinds []string
	for _, s := range all {
		if byKind[s.Kind] == nil {
			kinds = append(kinds, s.Kind)
		}
		byKind[s.Kind] = append(byKind[s.Kind], s)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		of := byKind[k]
		r.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	}
	var chosen []site
	for round := 0; len(chosen) < min(n, len(all)); round++ {
		for _, k := range kinds {
			if of := byKind[k]; round < len(of) && len(chosen) < n {
				chosen = append(chosen, of[round])
			}
		}
	}
	slices.SortFunc(chosen, func(a, b site) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Edits[0].From, b.Edits[0].From), strings.Compare(a.Kind, b.Kind))
	})
	return chosen
}

type source struct {
	name string // relative to the module, with slashes
	text []byte
}

// sources returns the source files of a package that this machine builds.
func (o *options) sources(pkg string) ([]source, error) {
	out, err := o.goCommand(context.Background(), "list", "-f", `{{range .GoFiles}}{{println .}}{{end}}`, "./"+pkg)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var all []source
	for name := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(filepath.Join(o.root, pkg, name))
		if err != nil {
			return nil, err
		}
		all = append(all, source{pkg + "/" + name, text})
	}
	return all, nil
}

func (o *options) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	return cmd.CombinedOutput()
}

// try runs the tests with each change.
func (o *options) try(ctx context.Context, w io.Writer, pkg string, with []string, sites []site) (count, []site, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	profile := filepath.Join(dir, "cover")
	args := append(o.testArgs("-coverprofile="+profile, "-coverpkg=./"+pkg), "./"+pkg)
	for _, p := range with {
		args = append(args, "./"+p)
	}
	if out, err := o.goCommand(ctx, args...); err != nil {
		return nil, nil, fmt.Errorf("the tests fail without a change: %w\n%s", err, out)
	}
	covered, err := readCover(profile)
	if err != nil {
		return nil, nil, err
	}
	n := count{}
	var alive []site
	for _, s := range sites {
		r := survived
		if covered.reaches(s) {
			if r, err = o.run1(ctx, dir, s, append([]string{pkg}, with...)); err != nil {
				return nil, nil, err
			}
		}
		fmt.Fprintf(w, "%-8s %v\n", r, s)
		n[r]++
		if r == survived {
			alive = append(alive, s)
		}
	}
	return n, alive, nil
}

func (o *options) testArgs(more ...string) []string {
	args := append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", o.timeout.String()}, more...)
	if o.run != "" {
		args = append(args, "-run", o.run)
	}
	return args
}

// run1 runs the tests of the packages, one after the other, with one change.
func (o *options) run1(ctx context.Context, dir string, s site, pkgs []string) (result, error) {
	path := filepath.Join(o.root, filepath.FromSlash(s.File))
	src, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(changed, s.apply(src), 0o644); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o644); err != nil {
		return "", err
	}
	for _, p := range pkgs {
		// The tests' own time-out ends a loop, this one what does not heed it.
		limited, cancel := context.WithTimeout(ctx, 2*o.timeout+time.Minute)
		out, err := o.goCommand(limited, append(o.testArgs("-overlay="+overlayFile), "./"+p)...)
		cancel()
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil && (bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]"))):
			return broken, nil
		case err != nil:
			return killed, nil //nolint:nilerr // a test that fails is what is wanted
		}
	}
	return survived, nil
}

// cover is which lines of each file are run by a test.
type cover map[string][]span

type span struct{ from, to int }

// readCover reads the profile that go test writes.
func readCover(name string) (cover, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := cover{}
	line := regexp.MustCompile(`^(.+):(\d+)\.\d+,(\d+)\.\d+ \d+ (\d+)$`)
	for scan := bufio.NewScanner(f); scan.Scan(); {
		m := line.FindStringSubmatch(scan.Text())
		if m == nil || m[4] == "0" {
			continue
		}
		from, _ := strconv.Atoi(m[2])
		to, _ := strconv.Atoi(m[3])
		c[m[1]] = append(c[m[1]], span{from, to})
	}
	return c, nil
}

// reaches reports whether a test runs the line of a site. What is in no
// function, such as a constant, is always run.
func (c cover) reaches(s site) bool {
	if s.Kind == kindNumber || s.Kind == kindName || s.Kind == kindBits || s.Kind == kindPlace {
		return true
	}
	for file, spans := range c {
		if !strings.HasSuffix(file, "/"+s.File) {
			continue
		}
		return slices.ContainsFunc(spans, func(p span) bool { return p.from <= s.Line && s.Line <= p.to })
	}
	return false
}
