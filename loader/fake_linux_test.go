// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"encoding/hex"
	"errors"
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
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, dir: t.TempDir()}
	f.file("sys/module/apparmor/parameters/enabled", "Y\n")
	f.file("sys/kernel/security/apparmor/features/policy/versions/v8", "yes\n")
	f.file("sys/kernel/security/apparmor/profiles", "")
	f.file("sys/kernel/security/apparmor/.access", "")
	f.namespace("")
	for _, name := range []string{"current", "exec"} {
		f.file("proc/thread-self/attr/apparmor/"+name, "")
	}
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
		write: f.write,
		lsm:   func() bool { return false },
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
