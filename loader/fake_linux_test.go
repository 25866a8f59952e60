// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
)

// fake is a tree that looks like sysfs, securityfs and procfs.
type fake struct {
	t   *testing.T
	dir string

	mu     sync.Mutex
	writes []string // "file: data"
	count  func(n int) int
	err    error
	// wrote is called after a write, and before it returns.
	wrote func(name string, data []byte)
	// unreadable are errors of files, by their names below proc or sys.
	unreadable map[string]error
	// answer, if it has one, says what a file has in it.
	answer func(name string) (content string, ok bool)
	// series are what files have in them one after the other.
	series map[string][]string
	loads  int // how often the kernel has loaded a profile
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, dir: t.TempDir()}
	f.file("sys/module/apparmor/parameters/enabled", "Y\n")
	f.file("sys/kernel/security/apparmor/features/policy/versions/v8", "yes\n")
	f.file("sys/module/apparmor/parameters/mode", "enforce\n")
	f.file("sys/kernel/security/apparmor/.access", "")
	f.namespace("")
	for _, name := range []string{"current", "exec"} {
		f.file("proc/thread-self/attr/apparmor/"+name, "")
	}
	f.file("proc/loadavg", "0.01 0.02 0.00 1/120 1000\n")
	f.file("proc/stat", "cpu  1 2 3\nprocesses 5000\n")
	f.file("proc/self/status", "Name:\ttest\nNSpid:\t900\n")
	f.process(2, task{stat: "S 0 0 0 0 -1 2129984"}) // kthreadd
	return f
}

const policyDir = "sys/kernel/security/apparmor/policy/"

func (f *fake) namespace(path string) {
	for _, name := range []string{".load", ".replace", ".remove", "revision"} {
		f.file(policyDir+path+name, "")
	}
	for _, name := range []string{"profiles", "namespaces", "raw_data"} {
		if err := os.MkdirAll(filepath.Join(f.dir, policyDir+path+name), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
}

// unload takes a profile away, as the kernel does when it is removed.
func (f *fake) unload(base, name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.find(base, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) file(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// profile puts a profile that was loaded from p into the tree. Kernels before
// 6.12 do not show the SHA-256.
func (f *fake) profile(dir, name string, p *blob.Policy, sha256 bool) {
	f.file(policyDir+dir+"/name", name+"\n")
	f.file(policyDir+dir+"/mode", "enforce\n")
	f.file(policyDir+"raw_data/7/raw_data", string(p.Bytes()))
	up := strings.Repeat("../", strings.Count(dir, "/")+1)
	link := "raw_data"
	if sha256 {
		digest := p.Digest()
		f.file(policyDir+"raw_data/7/sha256", hex.EncodeToString(digest[:])+"\n")
		link = "sha256"
	}
	if err := os.Symlink(up+"raw_data/7/"+link, filepath.Join(f.dir, policyDir+dir, map[bool]string{true: "raw_sha256", false: "raw_data"}[sha256])); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) options() Options {
	return Options{SysFS: filepath.Join(f.dir, "sys"), ProcFS: filepath.Join(f.dir, "proc")}
}

func (f *fake) system() system {
	return system{
		check: func(int, int64) error { return nil },
		openWrite: func(d dir, name string) (*os.File, error) {
			rel, err := filepath.Rel(f.dir, d.f.Name())
			if err != nil {
				return nil, err
			}
			if err := f.unreadable[filepath.Join(rel, name)]; err != nil {
				return nil, err
			}
			return d.openWrite(name)
		},
		write:    f.write,
		lsm:      func() bool { return false },
		readOnce: f.readOnce,
		// Those of the tests are nobody else's business.
		closeOnExec: func() error { return nil },
	}
}

func (f *fake) write(fd int, data []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return -1, f.err
	}
	var buf [4096]byte
	n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), buf[:])
	if err != nil {
		return -1, err
	}
	name, err := filepath.Rel(f.dir, string(buf[:n]))
	if err != nil {
		return -1, err
	}
	f.writes = append(f.writes, name+": "+string(data))
	if f.wrote != nil {
		defer f.wrote(name, data)
	}
	if f.count != nil {
		return f.count(len(data)), nil
	}
	return unix.Write(fd, data)
}

func (f *fake) open(change func(*Options)) *Kernel {
	f.t.Helper()
	o := f.options()
	if change != nil {
		change(&o)
	}
	k, err := open(o, f.system())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := k.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			f.t.Error(err)
		}
	})
	return k
}

func encode(t *testing.T, profiles ...*blob.Profile) *blob.Policy {
	t.Helper()
	p, err := blob.Encode(profiles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func named(t *testing.T, names ...string) *blob.Policy {
	t.Helper()
	var profiles []*blob.Profile
	for _, name := range names {
		profiles = append(profiles, &blob.Profile{Name: name})
	}
	return encode(t, profiles...)
}

func (f *fake) readOnce(d dir, name string) (string, error) {
	rel, err := filepath.Rel(f.dir, d.f.Name())
	if err != nil {
		return "", err
	}
	name = filepath.Join(rel, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.unreadable[name]; err != nil {
		return "", err
	}
	if f.answer != nil {
		if content, ok := f.answer(name); ok {
			return content, nil
		}
	}
	if list := f.series[name]; len(list) > 0 {
		if len(list) > 1 {
			f.series[name] = list[1:]
		}
		return list[0], nil
	}
	return d.readOnce(name[len(rel)+1:])
}

// task is a thread in procfs.
type task struct {
	id    int    // zero: that of the process
	label string // empty: unconfined
	stat  string // after the name; empty: it sleeps
}

// process puts a process into procfs, or takes its place.
func (f *fake) process(pid int, threads ...task) {
	f.t.Helper()
	f.end(pid)
	for i, th := range threads {
		dirs := []string{fmt.Sprintf("proc/%d/task/%d", pid, cmp.Or(th.id, pid))}
		if i == 0 {
			dirs = append(dirs, fmt.Sprintf("proc/%d", pid))
		}
		for _, dir := range dirs {
			f.file(dir+"/attr/apparmor/current", cmp.Or(th.label, "unconfined")+"\n")
			f.file(dir+"/stat", fmt.Sprintf("%d (a) b) %s 0 0\n", cmp.Or(th.id, pid), cmp.Or(th.stat, "S 1 1 1 0 -1 4194304")))
		}
	}
}

func (f *fake) end(pid int) {
	if err := os.RemoveAll(filepath.Join(f.dir, "proc", strconv.Itoa(pid))); err != nil {
		f.t.Error(err)
	}
}

// kernel makes the tree do what kernels do with policy that is loaded: the
// files of its profiles change. Digests are of the algorithm given; none: there
// are neither digests nor copies.
func (f *fake) kernel(algorithm Algorithm) {
	f.wrote = func(name string, data []byte) {
		base, file := filepath.Split(strings.TrimPrefix(name, policyDir))
		if file == ".remove" {
			if err := os.RemoveAll(f.find(base, string(data))); err != nil {
				f.t.Error(err)
			}
			return
		}
		p, err := blob.Inspect(data)
		if err != nil {
			return // something else was written
		}
		for _, q := range p.Profiles() {
			f.loadFrom(base, q, p, algorithm)
		}
	}
}

// find returns the directory of a profile, new or old.
func (f *fake) find(base, name string) string {
	dir := filepath.Join(f.dir, policyDir, base)
	for component := range strings.SplitSeq(name, "//") {
		dir = filepath.Join(dir, "profiles", strings.Map(func(r rune) rune {
			if strings.ContainsRune("/ :()\n", r) {
				return '_'
			}
			return r
		}, component)+".1")
	}
	return dir
}

func (f *fake) loadFrom(base string, q *blob.Profile, p *blob.Policy, algorithm Algorithm) {
	f.loads++
	dir, err := filepath.Rel(f.dir, f.find(base, q.Name))
	if err != nil {
		f.t.Error(err)
	}
	parts := strings.Split(q.Name, "//")
	f.file(dir+"/name", parts[len(parts)-1]+"\n")
	f.file(dir+"/mode", map[blob.Mode]string{blob.Enforce: "enforce", blob.Complain: "complain", blob.Kill: "kill", blob.Unconfined: "unconfined"}[q.Mode]+"\n")
	if err := os.MkdirAll(filepath.Join(f.dir, dir, "profiles"), 0o755); err != nil {
		f.t.Error(err)
	}
	switch algorithm {
	case SHA256:
		sum := sha256.Sum256(p.Bytes())
		f.file(dir+"/raw_sha256", hex.EncodeToString(sum[:])+"\n")
	case SHA1:
		sum := sha1.Sum(p.Bytes())
		f.file(dir+"/raw_sha1", hex.EncodeToString(sum[:])+"\n")
	}
}

// load loads policy into the tree, without the Kernel.
func (f *fake) load(p *blob.Policy, algorithm Algorithm) {
	for _, q := range p.Profiles() {
		f.loadFrom("", q, p, algorithm)
	}
}

// counts gives a file another content from the second time on that it is read.
func (f *fake) counts(name string, contents ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.series = map[string][]string{name: contents}
}
