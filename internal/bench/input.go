// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// input is what is measured with.
type input struct {
	ctx    context.Context
	tree   string
	tmp    string // for files
	roots  []fs.FS
	parse  parser.Config
	series string
	kernel *features.Set // of series

	top     []string // names of the profiles at the top of the tree
	texts   []text   // all policy of the tree
	size    int64    // of texts
	machine string   // a profile as libvirt makes it

	references []program // apparmor_parser, the oldest first
	missing    error     // why one is not there
	features   string    // the file with the kernel's features

	close []func() error // what ends with the measurements
}

func readInput(o *arguments, tmp string) (*input, error) {
	tree := o.tree
	in := &input{ctx: context.Background(), tree: tree, tmp: tmp, roots: []fs.FS{os.DirFS(tree)}, series: o.kernel}
	in.parse = parser.Config{Roots: in.roots, RootNames: []string{tree}}
	var ok bool
	if in.kernel, ok = features.Kernel(o.kernel); !ok {
		return nil, fmt.Errorf("-kernel %s: not one of %s", o.kernel, strings.Join(features.Kernels(), ", "))
	}
	in.features = filepath.Join(tmp, "features")
	if err := os.WriteFile(in.features, []byte(in.kernel.String()), 0o600); err != nil {
		return nil, err
	}
	in.references, in.missing = references(in.ctx)
	var err error
	if in.top, in.texts, in.size, err = readTree(tree); err != nil {
		return nil, err
	}
	in.machine, err = machineText(tree)
	return in, err
}

// paths are those of the profiles at the top.
func (in *input) paths() []string { return absolute(in.tree, in.top) }

// reference is the arguments of apparmor_parser.
func (in *input) reference(args ...string) []string {
	return append([]string{"--config-file=/dev/null", "-M", in.features, "-b", in.tree, "-q", "-K"}, args...)
}

// columns are the references of the first table: the oldest and the newest.
func (in *input) columns() []program {
	if n := len(in.references); n > 2 {
		return []program{in.references[0], in.references[n-1]}
	}
	return in.references
}

// withParser adds what apparmor_parser does with its input and arguments.
func (in *input) withParser(c comparison, stdin string, args ...string) comparison {
	if len(in.references) == 0 {
		c.note = "apparmor_parser is missing"
	}
	for _, p := range in.columns() {
		command := slices.Concat(p.command, in.reference(args...))
		c.theirs = append(c.theirs, process(stdin, command[0], command[1:]...))
	}
	return c
}

// resolve takes text to profiles.
func (in *input) resolve(name, text string, cache *parser.Cache) (*policy.Set, error) {
	config := in.parse
	config.Cache = cache
	unit, err := config.ParseTree(in.ctx, name, text)
	if err != nil {
		return nil, err
	}
	return policy.Resolve(in.ctx, unit, policy.Options{Roots: in.roots, Kernel: in.kernel, Default: in.kernel})
}

// compile takes text to binary policy.
func (in *input) compile(name, text string, cache *parser.Cache, w io.Writer) error {
	set, err := in.resolve(name, text, cache)
	if err != nil {
		return err
	}
	out, err := compile.Compile(in.ctx, set, compile.Options{Kernel: in.kernel, Degrade: compile.Report})
	if err != nil {
		return err
	}
	_, err = out.Policy.WriteTo(w)
	return err
}

// compileFile compiles a file of the tree.
func (in *input) compileFile(name string, cache *parser.Cache, w io.Writer) error {
	data, err := os.ReadFile(filepath.Join(in.tree, name))
	if err != nil {
		return err
	}
	if err := in.compile(name, string(data), cache, w); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// load parses the tree as a directory and resolves its profiles, as many at a
// time as there are CPUs.
func (in *input) load() error {
	files, err := in.parse.ParseDir(in.ctx, ".")
	if err != nil {
		return err
	}
	errs := make([]error, len(files))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(files)); i = next.Add(1) - 1 {
				_, errs[i] = policy.Resolve(in.ctx, files[i].Unit, policy.Options{Roots: in.roots, Kernel: in.kernel})
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
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

// templateText is the profile that libvirt would make from its template, with a
// name and without an include of rules.
func templateText(tree, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(tree, "libvirt", "TEMPLATE.qemu"))
	return strings.Replace(string(data), "profile LIBVIRT_TEMPLATE", "profile "+name, 1), err
}

// machineText is templateText of a machine, with the rules of one disk.
func machineText(tree string) (string, error) {
	s, err := templateText(tree, "libvirt-"+machineUUID)
	if err != nil {
		return "", err
	}
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
