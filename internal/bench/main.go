// Command bench times this module's work and the reference programs' in one
// run, in turn, and prints the medians side by side:
//
//	go run ./internal/bench
//
// Ours runs in process, theirs as the processes that programs start today;
// the cost of starting one, which everybody pays who has no library, is shown
// in a row of its own. The inputs are Debian's /etc/apparmor.d and a machine
// with a few disks. What is not installed is left out with a word.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

func main() {
	rounds := flag.Int("n", 9, "rounds of each measurement")
	tree := flag.String("tree", "/etc/apparmor.d", "policy to measure with")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *tree); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// comparison is one row: the same work done by us and by a reference program.
type comparison struct {
	name   string
	bytes  int64        // of input, where a rate makes sense
	ours   func() error // nil: only the reference is timed
	theirs func() error // nil: there is nothing to compare with
	note   string
}

func run(w io.Writer, rounds int, tree string) error {
	if rounds < 1 {
		return errors.New("-n must be at least 1")
	}
	tmp, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	rows, err := comparisons(tree, tmp)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "work\tours\tallocs\trate\treference\treference/ours\t")
	for _, c := range rows {
		if err := measure(tw, c, rounds); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return tw.Flush()
}

func measure(w io.Writer, c comparison, rounds int) error {
	var ours, theirs []time.Duration
	var allocs []uint64
	// The first round warms caches and is not counted.
	for round := range rounds + 1 {
		if c.ours != nil {
			took, n, err := counted(c.ours)
			if err != nil {
				return err
			}
			if round > 0 {
				ours = append(ours, took)
				allocs = append(allocs, n)
			}
		}
		if c.theirs != nil {
			start := time.Now()
			if err := c.theirs(); err != nil {
				return err
			}
			if round > 0 {
				theirs = append(theirs, time.Since(start))
			}
		}
	}
	mine, count, rate, ref, ratio := "", "", "", c.note, ""
	if len(ours) > 0 {
		mine, count = short(median(ours)), fmt.Sprint(median(allocs))
		if c.bytes > 0 {
			rate = fmt.Sprintf("%.1f MB/s", float64(c.bytes)/1e6/median(ours).Seconds())
		}
	}
	if len(theirs) > 0 {
		ref = short(median(theirs))
		if len(ours) > 0 {
			ratio = fmt.Sprintf("%.1f", float64(median(theirs))/float64(median(ours)))
		}
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", c.name, mine, count, rate, ref, ratio)
	return err
}

// counted runs f and returns how long it took and how often it allocated.
func counted(f func() error) (time.Duration, uint64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return took, after.Mallocs - before.Mallocs, err
}

func median[T ~int64 | ~uint64](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
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

// program finds a reference program.
func program(names ...string) (path string, note string) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, ""
		}
	}
	return "", filepath.Base(names[0]) + " is not installed"
}

// quiet runs a program and returns its error output if it fails.
func quiet(stdin, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, stderr.String())
	}
	return nil
}

func comparisons(tree, tmp string) ([]comparison, error) {
	ctx := context.Background()
	roots := []fs.FS{os.DirFS(tree)}
	parse := parser.Config{Roots: roots, RootNames: []string{tree}}
	kernel, _ := features.Kernel("6.1")
	featureFile := filepath.Join(tmp, "features")
	if err := os.WriteFile(featureFile, []byte(kernel.String()), 0o600); err != nil {
		return nil, err
	}
	aa, aaNote := program("apparmor_parser", "/usr/sbin/apparmor_parser", "/sbin/apparmor_parser")
	helper, helperNote := program("virt-aa-helper", "/usr/lib/libvirt/virt-aa-helper")
	reference := func(args ...string) []string {
		return append([]string{"--config-file=/dev/null", "-M", featureFile, "-b", tree, "-q", "-K"}, args...)
	}
	withParser := func(c comparison, stdin string, args ...string) comparison {
		c.note = aaNote
		if aa != "" {
			c.theirs = func() error { return quiet(stdin, aa, reference(args...)...) }
		}
		return c
	}
	compileSet := func(text string) error {
		unit, err := parse.ParseTree(ctx, "vm", text)
		if err != nil {
			return err
		}
		set, err := policy.Resolve(ctx, unit, policy.Options{Roots: roots, Kernel: kernel})
		if err != nil {
			return err
		}
		_, err = compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: compile.Report})
		return err
	}

	top, texts, size, err := readTree(tree)
	if err != nil {
		return nil, err
	}
	machine, err := machineText(tree)
	if err != nil {
		return nil, err
	}

	rows := []comparison{
		{
			name:  fmt.Sprintf("parse the text of %d files", len(texts)),
			bytes: size,
			ours: func() error {
				for _, t := range texts {
					if _, err := parser.Parse(t.name, t.text); err != nil {
						return err
					}
				}
				return nil
			},
		},
		withParser(comparison{
			name: fmt.Sprintf("parse %d profiles with includes", len(top)),
			ours: func() error {
				c := parse
				c.Cache = &parser.Cache{}
				for _, name := range top {
					if _, err := c.ParseFS(ctx, name); err != nil {
						return err
					}
				}
				return nil
			},
		}, "", append([]string{"-N"}, absolute(tree, top)...)...),
		withParser(comparison{
			name: "compile the libvirt VM profile",
			ours: func() error { return compileSet(machine) },
		}, machine, "-Q", "-S"),
		withParser(comparison{
			name: fmt.Sprintf("compile %d profiles", len(top)),
			ours: func() error {
				for _, name := range top {
					data, err := os.ReadFile(filepath.Join(tree, name))
					if err != nil {
						return err
					}
					if err := compileSet(string(data)); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
				}
				return nil
			},
		}, "", append([]string{"-Q", "-S", "-j1"}, absolute(tree, top)...)...),
	}

	derive := comparison{
		name: "derive the rules of a machine with 8 disks",
		note: helperNote,
		ours: func() error {
			d, err := libvirtxml.Parse([]byte(machineXML))
			if err != nil {
				return err
			}
			_, err = svirt.Derive(d, svirt.Options{Policy: svirt.Compat90, FS: svirt.HostFS()})
			return err
		},
	}
	if helper != "" {
		derive.theirs = func() error {
			return quiet(machineXML, helper, "--dryrun", "-c", "-u", "libvirt-"+machineUUID)
		}
	}
	rows = append(rows, derive)
	return append(rows, withParser(comparison{
		name: "start apparmor_parser for its version",
	}, "", "-V")), nil
}

// text is a file of policy.
type text struct{ name, text string }

// readTree returns the names of the profiles at the top of the tree, and the
// text of every file of policy in it.
func readTree(tree string) (top []string, texts []text, size int64, err error) {
	err = filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
		if err != nil || parser.Skip(e.Name()) {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			switch rel {
			case "abi", "disable", "force-complain", "cache":
				return fs.SkipDir
			}
			return nil
		}
		if !e.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(rel, string(filepath.Separator)) {
			top = append(top, rel)
		}
		texts = append(texts, text{path, string(data)})
		size += int64(len(data))
		return nil
	})
	return top, texts, size, err
}

func absolute(dir string, names []string) []string {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join(dir, n)
	}
	return paths
}

// machineText is the profile that libvirt would make from its template, with
// the rules of one disk in place of an include.
func machineText(tree string) (string, error) {
	data, err := os.ReadFile(filepath.Join(tree, "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		return "", err
	}
	s := strings.Replace(string(data), "profile LIBVIRT_TEMPLATE", "profile libvirt-"+machineUUID, 1)
	i := strings.LastIndexByte(s, '}')
	if i < 0 {
		return "", errors.New("TEMPLATE.qemu has no closing brace")
	}
	return s[:i] + "  \"/var/lib/libvirt/images/web.qcow2\" rwk,\n" + s[i:], nil
}

const machineUUID = "a22e3930-d87a-584e-22b2-1d8950212bac"

var machineXML = func() string {
	var b strings.Builder
	b.WriteString("<domain type='kvm'>\n<name>web</name>\n<uuid>" + machineUUID + "</uuid>\n" +
		"<memory>524288</memory>\n<os><type arch='x86_64'>hvm</type></os>\n<devices>\n")
	for i := range 8 {
		fmt.Fprintf(&b, "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"+
			"<source file='/var/lib/libvirt/images/web-%d.img'/><target dev='vd%c' bus='virtio'/></disk>\n", i, 'a'+i)
	}
	b.WriteString("</devices>\n</domain>\n")
	return b.String()
}()
