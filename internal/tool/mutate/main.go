// SPDX-License-Identifier: Apache-2.0

// Command mutate tells how strong the tests are: it makes small changes to the
// code, one at a time, and runs the tests of the package and of those that are
// named for it. A change that no test notices is a missing test, or one that
// changes nothing that can be seen.
//
//	go run ./internal/tool/mutate [-seed N] [-n N] [-list] [-at REGEXP] [-keep FILE] [PACKAGE...]
//
// Packages are directories, such as compile or query/explain; without any, those
// of the table below are taken. For each, N places are chosen by the seed, and
// those of places.txt are always among them. Nothing is written to the tree:
// the changed file is laid over it (go build -overlay). Tests get no private
// data: the variables that name it are taken away.
//
// What a lock guards is tried with the race detector, which takes a C compiler.
//
// Each test is run once alone, for how long it takes and which lines it runs. A
// change is then tried with the tests that run its line, the quick ones first,
// and survives at once if there is none. With -keep, both are kept in a file, and
// what did not change since is not tried again: a run with -own or -longest is
// a cheap first one, after which another without them tries what survived with
// the rest of the tests.
//
// For each change it prints killed, survived, equal (equivalent.txt says why the
// change cannot be seen) or broken (it does not build), what was changed and
// where, then a summary.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
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

//go:embed equivalent.txt
var equivalentText string

// private are the variables that name data which not everybody has.
var private = []string{"APPARMOR_CORPUS", "APPARMOR_TOOLS"}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "chooses the places")
	flag.IntVar(&o.n, "n", 20, "how many places of a package; 0: all")
	flag.BoolVar(&o.list, "list", false, "print the places and run nothing")
	flag.StringVar(&o.at, "at", "", "only places whose line matches, such as file.go:12:")
	flag.StringVar(&o.with, "with", "", "packages whose tests are run as well, separated by commas")
	flag.StringVar(&o.run, "run", "", "only these tests, as for go test")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "what one test may take")
	flag.DurationVar(&o.longest, "longest", 0, "leave out tests that take longer; 0: none")
	flag.BoolVar(&o.own, "own", false, "leave out the tests of other packages")
	flag.StringVar(&o.keep, "keep", "", "a file for results that later runs use")
	flag.IntVar(&o.jobs, "j", 1, "how many changes are tried at once")
	flag.StringVar(&o.exec, "exec", "", "a command that runs go and the tests, such as nice")
	flag.Parse()
	o.equivalent = equivalentText
	root, err := moduleRoot()
	if err == nil {
		o.root = root
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = o.main(ctx, os.Stdout, flag.Args())
		stop()
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
	longest time.Duration
	own     bool
	keep    string
	jobs    int
	exec    string

	equivalent string
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
	equal    result = "equal"  // survived, and does the same
	broken   result = "broken" // does not build
)

type count map[result]int

func (c count) String() string {
	tried := c[killed] + c[survived]
	share := 100.0
	if tried > 0 {
		share = 100 * float64(c[killed]) / float64(tried)
	}
	return fmt.Sprintf("%d of %d killed (%.1f %%), %d equal, %d did not build", c[killed], tried, share, c[equal], c[broken])
}

// printer prints lines as they come, and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (o *options) main(ctx context.Context, out io.Writer, pkgs []string) (err error) {
	w := &printer{w: out}
	defer func() { err = errors.Join(err, w.err) }()
	type suite struct{ own, with []string }
	var all []suite
	pkgs = slices.Clone(pkgs)
	for i := range pkgs {
		pkgs[i] = path.Clean(filepath.ToSlash(pkgs[i])) // ./compile is compile
	}
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
	kept, err := readKept(o.keep)
	if err != nil {
		return err
	}
	total := count{}
	var left []outcome
	for _, s := range all {
		pkg := s.own[0]
		sites, err := o.sites(w, pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		if o.list {
			for _, site := range sites {
				w.printf("%v\n", site)
			}
			continue
		}
		tested := []string{pkg}
		if !o.own {
			tested = append(tested, s.with...)
		}
		got, alive, err := o.try(ctx, w, kept, tested, sites)
		if err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		w.printf("%s: %v\n", pkg, got)
		for r, n := range got {
			total[r] += n
		}
		left = append(left, alive...)
	}
	if o.list {
		return nil
	}
	w.printf("all: %v\n", total)
	for _, a := range left {
		reached := ""
		if a.tests == 0 {
			reached = " (no test reaches it)"
		}
		w.printf("survived %v%s\n%s", a.site, reached, a.site.lines(a.src))
	}
	return nil
}

// sites returns the places of a package that are tried.
func (o *options) sites(w *printer, pkg string) ([]site, error) {
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
			w.printf("gone %v\n", err)
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
	return o.command(ctx, o.root, "go", args...)
}

// command runs a program in a directory, without private data.
func (o *options) command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	line := append(strings.Fields(o.exec), name)
	line = append(line, args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second // for what a test leaves running
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(private, name)
	})
	if slices.Contains(args, "-race") {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	return cmd.CombinedOutput()
}
