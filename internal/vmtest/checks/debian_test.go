// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// compiler makes policy for the running kernel from text.
type compiler struct {
	kernel *features.Set
	roots  []fs.FS
	cache  parser.Cache
}

func newCompiler(t *testing.T, roots ...fs.FS) *compiler {
	t.Helper()
	set, err := features.FromFS(os.DirFS("/sys/kernel/security/apparmor/features"))
	if err != nil {
		t.Fatal(err)
	}
	return &compiler{kernel: set, roots: roots}
}

// compile compiles a text. What the kernel cannot enforce is left out.
func (c *compiler) compile(t *testing.T, name, text string) (*policy.Set, *blob.Policy) {
	t.Helper()
	set, out := c.output(t, name, text)
	return set, out.Policy
}

// output is compile with all that comes out.
func (c *compiler) output(t *testing.T, name, text string) (*policy.Set, *compile.Output) {
	t.Helper()
	unit, err := parser.Config{Roots: c.roots, Cache: &c.cache}.ParseTree(t.Context(), name, text)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: c.kernel, Roots: c.roots})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: c.kernel, Degrade: compile.Report})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	return set, out
}

// TestDebian compiles and loads Debian's own profiles, has the kernel attach
// them to programs, and compares what both say to many strings.
func TestDebian(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	tree := os.DirFS(filepath.Join(guest.FilesDir, "debian"))
	c := newCompiler(t, tree)
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	var all []*blob.Profile
	paths := map[string][]string{}
	files := 0
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		files++
		t.Run(e.Name(), func(t *testing.T) {
			text, err := fs.ReadFile(tree, e.Name())
			if err != nil {
				t.Fatal(err)
			}
			set, p := c.compile(t, e.Name(), string(text))
			if err := k.Load(ctx, p); err != nil {
				t.Fatal(err)
			}
			for _, p := range set.Profiles {
				want = append(want, fmt.Sprintf("%s (%s)", p.FullName(), modes[p.Flags.Mode]))
				paths[p.Name] = rulePaths(p)
			}
			// Loading is not believed either: these are the bytes.
			again, err := blob.Inspect(p.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, again.Profiles()...)
			if changed, err := k.Ensure(ctx, p); changed || err != nil {
				t.Errorf("the kernel holds other policy than was loaded: changed %v, %v", changed, err)
			}
		})
	}
	if files < 25 {
		t.Errorf("%d files of profiles", files)
	}
	t.Cleanup(func() {
		for _, p := range all {
			if blob.ParentName(p.Name) == "" {
				if err := k.Remove(background, p.Name); err != nil {
					t.Error(err)
				}
			}
		}
		if list, err := k.Profiles(background); err != nil || len(list) != 0 {
			t.Errorf("left over: %v, %v", list, err)
		}
	})
	slices.Sort(want)
	wantLoaded(t, k, want...)
	t.Run("attach", func(t *testing.T) { checkAttachment(t, k, all) })
	t.Run("access", func(t *testing.T) { checkAccess(t, k, all, paths, 40) })
}

// rulePaths returns what a profile's rules on files say, each path as it is
// written, which is a path as good as any, and its part before what is special.
func rulePaths(p *policy.Profile) []string {
	var paths []string
	for _, r := range p.Rules {
		if f, ok := r.Rule.(*ast.FileRule); ok {
			text := string(f.Path)
			paths = append(paths, text)
			if i := strings.IndexAny(text, "*?[{\\"); i > 0 {
				paths = append(paths, text[:i], text[:i]+"x", text[:i]+"1/y.so")
			}
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	// Some, from everywhere: the kernel answers slowly here.
	const most = 75
	some := paths[:0]
	for i := 0; i < len(paths); i += 1 + len(paths)/most {
		some = append(some, paths[i])
	}
	return some
}

// modes are the names that the kernel has for modes.
var modes = map[policy.Mode]string{
	policy.Enforce: "enforce", policy.Complain: "complain", policy.Kill: "kill",
	policy.Unconfined: "unconfined", policy.PromptMode: "user", policy.DefaultAllow: "unconfined",
}

// checkAttachment executes programs by paths that profiles attach to, and has
// them try a few things.
func checkAttachment(t *testing.T, k *loader.Kernel, profiles []*blob.Profile) {
	one := query.Open(encode(t, profiles...))
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/etc/passwd", []byte("root:x:0:0::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	removeLater(t, "/etc/passwd")
	allowed, denied := 0, 0
	for _, path := range []string{
		"/usr/bin/ping", "/bin/iputils-ping", "/usr/sbin/php-fpm8.2", "/usr/lib/x/samba/samba/rpcd_lsad", "/usr/bin/man",
		"/usr/lib/libvirt/virt-aa-helper", "/usr/sbin/libvirtd", "/usr/bin/traceroute.db", "/bin/syslogd", "/usr/bin/nothing",
	} {
		p, err := one.Attachment(path)
		conflict := new(query.ConflictError)
		if err != nil && !errors.As(err, &conflict) {
			t.Fatal(err)
		}
		want := loader.Unconfined
		if p != nil {
			want = p.Name
		}
		// Its answer shows that the exec is over.
		probe := newProbe(t, other(t, path), (*exec.Cmd).Start)
		probe.want(t, syscall.EINVAL, "nothing")
		if l, err := k.Label(probe.cmd.Process.Pid); err != nil || !l.Is(want) {
			t.Errorf("%s runs under %q, %v; want %q", path, l, err, want)
		}
		if p != nil {
			for _, a := range trials {
				var errno syscall.Errno
				for _, n := range a.needs {
					d, err := p.Ask(n.request)
					if err != nil {
						t.Fatal(err)
					}
					if !d.Permitted() {
						errno = n.errno
						break
					}
				}
				if errno == 0 {
					allowed++
				} else {
					denied++
				}
				probe.want(t, errno, a.Op, a.Args...)
			}
		}
		probe.end(t)
	}
	t.Logf("%d attempts allowed, %d denied", allowed, denied)
	if allowed == 0 || denied == 0 {
		t.Error("want attempts of both kinds")
	}
}

// need is one thing that an attempt is asked for, as package query calls it.
type need struct {
	errno   syscall.Errno // when it is denied
	request query.Request
}

// trials are things to try and what they take, in the order of the kernel's
// questions.
var trials = []struct {
	attempt
	needs []need
}{
	{attempt{"read", []string{"/etc/passwd"}}, []need{{syscall.EACCES, query.File{Path: "/etc/passwd", Perms: query.Read, Owner: true}}}},
	{attempt{"write", []string{"/etc/passwd"}}, []need{{syscall.EACCES, query.File{Path: "/etc/passwd", Perms: query.Write, Owner: true}}}},
	{attempt{"read", []string{"/files/secret"}}, []need{{syscall.EACCES, query.File{Path: "/files/secret", Perms: query.Read, Owner: true}}}},
	{attempt{"read", []string{"/dev/urandom"}}, []need{{syscall.EACCES, query.File{Path: "/dev/urandom", Perms: query.Read, Owner: true}}}},
	{attempt{"write", []string{"/dev/null"}}, []need{{syscall.EACCES, query.File{Path: "/dev/null", Perms: query.Write, Owner: true}}}},
	{attempt{"map", []string{"/init"}}, []need{{syscall.EACCES, query.File{Path: "/init", Perms: query.Read | query.Mmap, Owner: true}}}},
	{attempt{"list", []string{"/sys/devices/system/cpu"}}, []need{{syscall.EACCES, query.File{Path: "/sys/devices/system/cpu/", Perms: query.Read, Owner: true}}}},
	{attempt{"socket", []string{"2", "1", "0"}}, []need{{syscall.EACCES, query.Network{Family: "inet", Type: "stream"}}}},
	{attempt{"socket", []string{"2", "2", "0"}}, []need{{syscall.EACCES, query.Network{Family: "inet", Type: "dgram"}}}},
	{attempt{"socket", []string{"16", "3", "0"}}, []need{{syscall.EACCES, query.Network{Family: "netlink", Type: "raw"}}}},
	{attempt{"socket", []string{"17", "3", "768"}}, []need{{syscall.EACCES, query.Network{Family: "packet", Type: "raw"}}, {syscall.EPERM, query.Capability("net_raw")}}},
	{attempt{"hostname", []string{"debian"}}, []need{{syscall.EPERM, query.Capability("sys_admin")}}},
	{attempt{"kill", []string{"1", "0"}}, []need{{syscall.EACCES, query.Signal{Signal: "exists", Perms: query.Send, Peer: "unconfined"}}}},
	{attempt{"kill", []string{"1", "28"}}, []need{{syscall.EACCES, query.Signal{Signal: "winch", Perms: query.Send, Peer: "unconfined"}}}},
	{attempt{"run", []string{"/init"}}, []need{{syscall.EACCES, query.File{Path: "/init", Perms: query.Exec, Owner: true}}}},
}
