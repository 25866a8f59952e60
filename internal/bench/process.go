// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// parserPath is the program that is compared with apparmor_parser.
const parserPath = "github.com/goarmor/apparmor/cmd/apparmor_parser"

// usage is what peakOf reports.
type usage struct {
	CPU    time.Duration
	Wall   time.Duration // with the start of a shell
	Peak   int64
	Failed string // the last line of what the program said
	Lost   bool   // the shell has waited for the program, and nothing is known
}

// starter starts a program with the file 3 as its input and the file 4 for its
// errors, and prints its number.
const starter = `"$@" <&3 3<&- >/dev/null 2>&4 4>&- & echo $!`

// peakOf runs a program and reports what it used. The kernel counts with a program
// what was resident of the one that started it, before the one took the place of
// the other. So it is started by a shell, which is smaller than what is measured
// and ends at once; this process, which has nothing else to do, inherits it.
func peakOf(args []string) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", starter, "sh"}, args...)...)
	cmd.ExtraFiles = []*os.File{os.Stdin, w}
	start := time.Now()
	out, err := cmd.Output()
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return err
	}
	said, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var status syscall.WaitStatus
	var used syscall.Rusage
	for {
		if _, err = syscall.Wait4(pid, &status, 0, &used); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.ECHILD) {
		return json.NewEncoder(os.Stdout).Encode(usage{Lost: true})
	}
	if err != nil {
		return err
	}
	u := usage{CPU: time.Duration(used.Utime.Nano() + used.Stime.Nano()), Wall: time.Since(start), Peak: used.Maxrss * 1024}
	if status != 0 {
		lines := strings.Split(string(bytes.TrimSpace(said)), "\n")
		u.Failed = fmt.Sprintf("status %d: %s", status, lines[len(lines)-1])
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

// failedError is a program that refused its input or took too long.
type failedError struct {
	program, said string
	after         time.Duration // not zero: it was stopped
}

func (e *failedError) Error() string {
	if e.after > 0 {
		return fmt.Sprintf("%s was stopped after %v", e.program, e.after)
	}
	return fmt.Sprintf("%s failed: %s", e.program, e.said)
}

// processes measures programs.
type processes struct {
	self     string
	features string        // file of the kernel's
	limit    time.Duration // of each process
}

// run measures a process that compiles, and throws away what it makes. An error
// that is the program's is a *failedError.
func (p *processes) run(by program, tree, stdin string, files ...string) (cost, error) {
	for range maxLost {
		c, err := p.once(by, tree, stdin, files...)
		if !errors.Is(err, errLost) {
			return c, err
		}
	}
	return cost{}, errLost
}

// errLost says that a shell has waited for the program that it started. It does so
// if the program ends before it.
var errLost = errors.New("the shell has always waited for the program")

// maxLost is how often a process is started until one is not lost.
const maxLost = 100

func (p *processes) once(by program, tree, stdin string, files ...string) (cost, error) {
	args := append([]string{peakWord}, by.command...)
	args = append(args, "--config-file=/dev/null", "-M", p.features, "-b", tree, "-q", "-K", "-Q", "-S", "-j1")
	args = append(args, absolute(tree, files)...)
	ctx, cancel := context.WithTimeout(context.Background(), p.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.self, args...)
	// What is measured is stopped with the process that measures it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	name := cmp.Or(by.name, "ours")
	switch {
	case ctx.Err() != nil:
		return cost{}, &failedError{name, "", p.limit}
	case err != nil:
		return cost{}, fmt.Errorf("%s: %w", name, err)
	}
	var u usage
	if err := json.Unmarshal(out, &u); err != nil {
		return cost{}, err
	}
	if u.Lost {
		return cost{}, errLost
	}
	if u.Failed != "" {
		return cost{}, &failedError{name, u.Failed, 0}
	}
	return cost{cpu: u.CPU, wall: u.Wall, peak: u.Peak}, nil
}

// hugePages says who gets huge pages here, which take a fraction of the time of small
// ones: Debian's kernels give them to all.
func hugePages() string {
	const file = "/sys/kernel/mm/transparent_hugepage/enabled"
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Sprintf("huge pages: %v", err)
	}
	_, word, _ := strings.Cut(string(text), "[")
	word, _, _ = strings.Cut(word, "]")
	return "huge pages: " + word
}

// job is what a program has to compile in one process.
type job struct {
	name  string
	tree  string
	stdin string
	files []string
}

// pair is what one job took us and a reference.
type pair struct {
	name         string
	ours, theirs cost
}

func (p pair) ratio() float64 { return float64(p.theirs.cpu) / float64(p.ours.cpu) }

// row is jobs that count together.
type row struct {
	name   string
	rounds int // 0: what is measured is the first run of all
	jobs   []job
	part   string          // the name of a part of the jobs, which is shown, too
	in     map[string]bool // whose names these are
}

// result is what one reference made of a row.
type result struct {
	reference string
	pairs     []pair  // of the jobs that it did
	failed    []error // of the others, each a *failedError
}

// measure has us and each reference do each job, in turn. A job that we fail at
// is an error.
func (p *processes) measure(own program, refs []program, r row) ([]result, error) {
	results := make([]result, len(refs))
	for i, ref := range refs {
		results[i].reference = ref.name
	}
	for _, j := range r.jobs {
		ours, theirs := []cost(nil), make([][]cost, len(refs))
		failed := make([]bool, len(refs))
		// The first round warms the caches of the machine.
		for round := range r.rounds + 1 {
			if round == 1 {
				ours, theirs = nil, make([][]cost, len(refs))
			}
			c, err := p.run(own, j.tree, j.stdin, j.files...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.name, err)
			}
			ours = append(ours, c)
			for i, ref := range refs {
				if failed[i] {
					continue
				}
				c, err := p.run(ref, j.tree, j.stdin, j.files...)
				if f := (*failedError)(nil); errors.As(err, &f) {
					failed[i] = true
					results[i].failed = append(results[i].failed, fmt.Errorf("%s: %w", j.name, f))
					continue
				} else if err != nil {
					return nil, err
				}
				theirs[i] = append(theirs[i], c)
			}
		}
		for i := range refs {
			if !failed[i] {
				results[i].pairs = append(results[i].pairs, pair{j.name, medians(ours), medians(theirs[i])})
			}
		}
	}
	return results, nil
}

// single is a row of one job.
func single(name string, rounds int, tree, stdin string) row {
	return row{name: name, rounds: rounds, jobs: []job{{name: name, tree: tree, stdin: stdin}}}
}

// each is a row with a process for each file.
func each(name string, rounds int, tree string, files []string) row {
	r := row{name: name, rounds: rounds}
	for _, f := range files {
		r.jobs = append(r.jobs, job{name: f, tree: tree, files: []string{f}})
	}
	return r
}

// literals is the text of a profile with so many rules of literal paths.
func literals(n int) string {
	var b strings.Builder
	b.WriteString("profile literals {\n")
	for i := range n {
		fmt.Fprintf(&b, "  /srv/d%d/name%d r,\n", i%17, i)
	}
	b.WriteString("}\n")
	return b.String()
}

// smallest returns the quarter of the files of a tree with the shortest texts.
func smallest(tree string, files []string) (map[string]bool, error) {
	size := make(map[string]int64, len(files))
	for _, f := range files {
		info, err := os.Stat(filepath.Join(tree, f))
		if err != nil {
			return nil, err
		}
		size[f] = info.Size()
	}
	list := slices.Clone(files)
	slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(size[a], size[b]) })
	few := map[string]bool{}
	for _, f := range list[:(len(list)+3)/4] {
		few[f] = true
	}
	return few, nil
}

// printProcesses prints the second table.
func printProcesses(w *bufio.Writer, in *input, o *arguments) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	own := program{command: []string{filepath.Join(in.tmp, "apparmor_parser")}}
	if _, err := execute("", "go", "build", "-trimpath", "-o", own.command[0], parserPath); err != nil {
		return err
	}
	ownDir, newest := filepath.Join(in.tmp, "own"), filepath.Join(in.tmp, "newest")
	machine, err := ownTree(ownDir)
	if err != nil {
		return err
	}
	rows := []row{
		single("an empty profile", o.rounds, ownDir, "profile empty {\n}\n"),
		single("the profile of a VM", o.rounds, ownDir, machine),
		single("the same, as libvirt makes it", o.rounds, in.tree, in.machine),
	}
	if len(in.top) > 0 {
		rows = append(rows, each(fmt.Sprintf("the %d files of the first table, a process each", len(in.top)), min(o.rounds, 2), in.tree, in.top))
	}
	names, version, err := newestTree(in.ctx, newest)
	if err != nil {
		fmt.Fprintf(w, "\nwithout the profiles of Debian sid: %v\n", err)
	} else {
		few, err := smallest(newest, names)
		if err != nil {
			return err
		}
		r := each(fmt.Sprintf("sid's %d files (%s), a process each", len(names), version), min(o.rounds, 1), newest, names)
		r.part, r.in = fmt.Sprintf("of these, the %d with the shortest texts", len(few)), few
		rows = append(rows, r)
	}
	rows = append(rows,
		single("a giant", min(o.rounds, 1), ownDir, giant()),
		single("1,000 rules of literal paths", min(o.rounds, 2), ownDir, literals(1000)),
		single("10,000 rules of literal paths", 0, ownDir, literals(10_000)))

	rows = matching(rows, o.rows, func(r row) string { return r.name })
	if len(rows) == 0 {
		return nil
	}
	refs := in.references
	if last, err := lastRelease(filepath.Join(in.tmp, "release")); err != nil {
		fmt.Fprintf(w, "\nwithout the last release: %v\n", err)
	} else {
		refs = append(slices.Clip(refs), last)
	}
	fmt.Fprintf(w, "\nprocesses, kernel %s's features, %s\n", in.series, hugePages())
	p := &processes{self, in.features, o.limit}
	for _, r := range rows {
		results, err := p.measure(own, refs, r)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s\n", r.name)
		printRow(w, results, len(r.jobs) > 1, nil)
		if r.part != "" {
			fmt.Fprintf(w, "\n%s\n", r.part)
			printRow(w, results, true, r.in)
		}
		if o.all {
			printPairs(w, results)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// printRow prints a line for each reference, of all jobs or some. Of several
// processes the times are added, and the peaks are the greatest.
func printRow(w *bufio.Writer, results []result, many bool, in map[string]bool) {
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprint(tw, "  reference\tCPU\tours\tratio\twall ratio\tpeak\tours\tratio\t")
	if many {
		fmt.Fprint(tw, "least CPU ratio\tmedian\tmost\tmedian peak ratio\tfiles\trefused\t")
	}
	fmt.Fprintln(tw)
	for _, r := range results {
		var ours, theirs cost
		var ratios, peaks []float64
		for _, x := range r.pairs {
			if in != nil && !in[x.name] {
				continue
			}
			ours.cpu, theirs.cpu = ours.cpu+x.ours.cpu, theirs.cpu+x.theirs.cpu
			ours.wall, theirs.wall = ours.wall+x.ours.wall, theirs.wall+x.theirs.wall
			ours.peak, theirs.peak = max(ours.peak, x.ours.peak), max(theirs.peak, x.theirs.peak)
			ratios = append(ratios, x.ratio())
			peaks = append(peaks, float64(x.theirs.peak)/float64(x.ours.peak))
		}
		if len(ratios) == 0 {
			fmt.Fprintf(tw, "  %s\trefused all\t\n", r.reference)
			continue
		}
		slices.Sort(ratios)
		slices.Sort(peaks)
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%.2f\t%.2f\t%.1f MB\t%.1f MB\t%.2f\t", r.reference, short(theirs.cpu), short(ours.cpu),
			float64(theirs.cpu)/float64(ours.cpu), float64(theirs.wall)/float64(ours.wall), float64(theirs.peak)/1e6, float64(ours.peak)/1e6, float64(theirs.peak)/float64(ours.peak))
		if many {
			jobs := len(r.pairs) + len(r.failed)
			if in != nil {
				jobs = len(in)
			}
			n := len(ratios)
			fmt.Fprintf(tw, "%.2f\t%.2f\t%.1f\t%.2f\t%d\t%d\t", ratios[0], ratios[n/2], ratios[n-1], peaks[n/2], n, jobs-n)
		}
		fmt.Fprintln(tw)
	}
	// Both keep their first error for the last Flush.
	_ = tw.Flush()
	for _, r := range results {
		if !many && len(r.failed) > 0 {
			fmt.Fprintf(w, "  %v\n", r.failed[0])
		}
	}
}

// printPairs prints every job, beginning with the one where we gain least.
func printPairs(w *bufio.Writer, results []result) {
	for _, r := range results {
		list := slices.Clone(r.pairs)
		slices.SortStableFunc(list, func(a, b pair) int { return cmp.Compare(a.ratio(), b.ratio()) })
		for _, x := range list {
			fmt.Fprintf(w, "    %s\t%.2f\t%s\t%s\t%.2f\t%s\n", r.reference, x.ratio(), short(x.theirs.cpu), short(x.ours.cpu), float64(x.theirs.peak)/float64(x.ours.peak), x.name)
		}
		for _, err := range r.failed {
			fmt.Fprintf(w, "    %s\t%v\n", r.reference, err)
		}
	}
}

// short rounds a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
