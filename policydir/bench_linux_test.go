// SPDX-License-Identifier: Apache-2.0

package policydir

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
)

// generated writes a directory of n profiles, in the manner of those that are
// written for services: Debian's abstractions and rules of their own.
func generated(tb testing.TB, n int) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	for i := range n {
		var b strings.Builder
		fmt.Fprintf(&b, "abi <abi/4.0>,\ninclude <tunables/global>\n\nprofile app-%d /usr/lib/apps/app-%[1]d {\n  include <abstractions/base>\n", i)
		if i%2 == 0 {
			b.WriteString("  include <abstractions/nameservice>\n")
		}
		if i%5 == 0 {
			b.WriteString("  include <abstractions/openssl>\n  capability net_bind_service,\n")
		}
		fmt.Fprintf(&b, "  /usr/lib/apps/app-%d mr,\n  /etc/apps/%[1]d.conf r,\n  owner /var/lib/apps/%[1]d/** rwk,\n  /run/apps/%[1]d.{pid,sock} rw,\n", i)
		for j := range i % 7 {
			fmt.Fprintf(&b, "  /srv/%d/shared-%d/**.dat r,\n  deny /srv/%[1]d/shared-%d/secret/** rw,\n", i, j, j)
		}
		b.WriteString("  signal receive peer=unconfined,\n}\n")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("app-%d", i)), []byte(b.String()), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// used returns the CPU time of this process.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkApply compiles 500 profiles into an empty cache, and finds them there
// again, beside apparmor_parser of Debian's unstable suite, which has the same to
// do: neither loads anything, because that needs a kernel. CPU time is that of all
// threads, with garbage collection, and of the programs that apparmor_parser
// starts.
func BenchmarkApply(b *testing.B) {
	const n = 500
	command := oracle.ParserOf(b, oracle.Newest).Command()
	base := filepath.Join(testenv.Packages(b, debian.Binary{Suite: oracle.Newest, Names: []string{"apparmor"}, Libraries: true}).Dir, "etc", "apparmor.d")
	set, _ := features.Kernel("6.12")
	dir := generated(b, n)
	file := filepath.Join(b.TempDir(), "features")
	if err := os.WriteFile(file, []byte(set.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	ours := func(b *testing.B, cache, want string) time.Duration {
		b.Helper()
		before := used(b)
		r, err := Apply(b.Context(), Options{
			Features: set, CacheDirs: []string{cache}, Dir: dir, Compile: compile.Options{Degrade: compile.Report},
			Parser: parser.Config{Roots: []fs.FS{os.DirFS(base)}, RootNames: []string{base}, Abs: os.DirFS("/")},
		})
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range r.Files {
			if f.State != Compiled || f.Cached != (want == "warm") {
				b.Fatalf("%+v", f)
			}
		}
		if len(r.Files) != n {
			b.Fatal(len(r.Files))
		}
		return used(b) - before
	}
	theirs := func(b *testing.B, cache, _ string) time.Duration {
		b.Helper()
		args := append(command[1:len(command):len(command)], "-Q", "-W", "-L", cache, "-b", base, "--kernel-features", file, "-j2", "-q", dir)
		cmd := exec.CommandContext(b.Context(), command[0], args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		if list, err := filepath.Glob(filepath.Join(cache, "*", "app-*")); err != nil || len(list) != n {
			b.Fatal(len(list), err)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	for _, who := range []struct {
		name string
		run  func(b *testing.B, cache, want string) time.Duration
	}{{"policydir", ours}, {"apparmor_parser", theirs}} {
		b.Run("cold/"+who.name, func(b *testing.B) {
			var cpu time.Duration
			n := 0
			for ; b.Loop(); n++ {
				cpu += who.run(b, filepath.Join(b.TempDir(), fmt.Sprint("cache", n)), "cold")
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(n), "cpu-ms/op")
		})
		b.Run("warm/"+who.name, func(b *testing.B) {
			cache := filepath.Join(b.TempDir(), "cache")
			who.run(b, cache, "cold")
			var cpu time.Duration
			n := 0
			for ; b.Loop(); n++ {
				cpu += who.run(b, cache, "warm")
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(n), "cpu-ms/op")
		})
	}
}
