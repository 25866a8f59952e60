// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// recorded is one call that libvirtd made of its helper, or one that was
// written down in the same form.
type recorded struct {
	Run, Step, Program string
	Argv               []string
	Stdin              string
	RC                 int
	FilesBefore        map[string]string `json:"files_before"`
	FilesAfter         map[string]string `json:"files_after"`
	ProfilesBefore     []string          `json:"profiles_before"`
	ProfilesAfter      []string          `json:"profiles_after"`
}

// kernelTable is the loader of a made-up kernel: it compiles as the own loader
// does and keeps a table of what is in force, by name.
type kernelTable struct {
	own      *ownLoader
	features *features.Set
	loaded   map[string]string // names, to modes
}

func (k *kernelTable) Load(ctx context.Context, file, profile string, replace bool) error {
	p, err := k.own.compile(ctx, k.features, file, profile)
	if err != nil {
		return err
	}
	for _, name := range p.Names() {
		if _, ok := k.loaded[name]; ok && !replace {
			return fmt.Errorf("%s: %w", name, fs.ErrExist)
		}
	}
	for _, one := range p.Heads() {
		k.loaded[one.Name] = one.Mode.String()
	}
	return nil
}

func (k *kernelTable) Unload(_ context.Context, _, profile string) error {
	if _, ok := k.loaded[profile]; !ok {
		return fmt.Errorf("%s: %w", profile, fs.ErrNotExist)
	}
	for name := range k.loaded {
		if name == profile || strings.HasPrefix(name, profile+"//") {
			delete(k.loaded, name)
		}
	}
	return nil
}

// table returns what is loaded as the kernel lists it, in order.
func (k *kernelTable) table() []string {
	out := []string{}
	for name, mode := range k.loaded {
		out = append(out, name+" ("+mode+")")
	}
	slices.Sort(out)
	return out
}

// qcow2 returns the head of an image in that format, with the name and format
// of the image that it is made on, if any.
func qcow2(backing, format string) []byte {
	head := make([]byte, 72, 512)
	copy(head, "QFI\xfb")
	binary.BigEndian.PutUint32(head[4:], 2)
	binary.BigEndian.PutUint32(head[20:], 16)
	binary.BigEndian.PutUint64(head[24:], 16<<20)
	if backing == "" {
		return head
	}
	extension := func(kind uint32, data string) {
		head = binary.BigEndian.AppendUint32(head, kind)
		head = binary.BigEndian.AppendUint32(head, uint32(len(data)))
		head = append(head, data...)
		head = append(head, make([]byte, (8-len(data)%8)%8)...)
	}
	extension(0xe2792aca, format)
	extension(0, "")
	binary.BigEndian.PutUint64(head[8:], uint64(len(head)))
	binary.BigEndian.PutUint32(head[16:], uint32(len(backing)))
	return append(head, backing...)
}

// recordedHost is the machine of the recording, as far as paths are looked up
// in it. Descriptions of machines that run name their chains themselves.
func recordedHost() fs.ReadLinkFS {
	const images = "var/lib/libvirt/images/"
	files := fstest.MapFS{}
	for name, data := range map[string][]byte{
		"base.raw":   nil,
		"vm1.qcow2":  qcow2("/"+images+"base.raw", "raw"),
		"vm2.qcow2":  qcow2("", ""),
		"vm3.raw":    nil,
		"vm3b.qcow2": qcow2("", ""),
	} {
		files[images+name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	files["usr/share/OVMF/OVMF_CODE_4M.secboot.fd"] = &fstest.MapFile{Mode: 0o644}
	files["usr/share/OVMF/OVMF_CODE_4M.ms.fd"] = &fstest.MapFile{Data: []byte("OVMF_CODE_4M.secboot.fd"), Mode: fs.ModeSymlink | 0o777}
	return files
}

// policyBase returns a copy of the policy that machines' profiles include.
func policyBase(t *testing.T) string {
	t.Helper()
	tree := testenv.Packages(t, debian.Binary{Suite: "trixie", Names: []string{"libvirt-daemon-system", "libvirt-daemon-common", "libvirt-daemon-driver-qemu", "libvirt-daemon-driver-lxc", "apparmor"}})
	base := t.TempDir()
	if err := os.CopyFS(base, os.DirFS(filepath.Join(tree.Dir, "etc", "apparmor.d"))); err != nil {
		t.Fatal(err)
	}
	if err := testenv.AddLocal(base); err != nil {
		t.Fatal(err)
	}
	return base
}

// replay makes one call with the files and profiles that were there before it
// and compares what is there after it.
func replay(t *testing.T, base string, hostFS fs.ReadLinkFS, c recorded) {
	t.Helper()
	dir := filepath.Join(base, "libvirt")
	c.prepare(t, dir)
	set, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("the features of 6.12 are unknown")
	}
	k := &kernelTable{own: &ownLoader{base: base, warn: func(string, ...any) {}}, features: set, loaded: map[string]string{}}
	for _, line := range c.ProfilesBefore {
		name, mode, _ := strings.Cut(strings.TrimSuffix(line, ")"), " (")
		k.loaded[name] = mode
	}
	var stdout, stderr bytes.Buffer
	status := Run(t.Context(), append([]string{"--policy=11.3"}, c.Argv[1:]...), Env{
		Stdin: strings.NewReader(c.Stdin), Stdout: &stdout, Stderr: &stderr, Base: base, Host: hostFS, Loader: k,
	})
	c.compare(t, dir, status, stderr.String())
	want := slices.Sorted(slices.Values(c.ProfilesAfter))
	if d := cmp.Diff(append([]string{}, want...), k.table()); d != "" {
		t.Errorf("profiles (-want +got)\n%s", d)
	}
}

// machinesDir is the directory of a recording.
const machinesDir = "/etc/apparmor.d/libvirt/"

// prepare puts the files that were there before a call into a directory.
func (c recorded) prepare(t *testing.T, dir string) {
	t.Helper()
	machines, err := filepath.Glob(filepath.Join(dir, "libvirt-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range machines {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	before := map[string]string{}
	for name, text := range c.FilesBefore {
		before[strings.TrimPrefix(name, machinesDir)] = text + "\n"
	}
	write(t, dir, before)
}

// compare compares the status of a call and the files after it.
func (c recorded) compare(t *testing.T, dir string, status int, stderr string) {
	t.Helper()
	if status != c.RC {
		t.Errorf("status %d, want %d: %s", status, c.RC, stderr)
	}
	if d := cmp.Diff(trimmed(c.FilesAfter, machinesDir), trimmed(read(t, dir), "")); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
}

// trimmed returns the files without what a recording leaves out: the directory
// and the end of the last line.
func trimmed(files map[string]string, prefix string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		out[strings.TrimPrefix(name, prefix)] = strings.TrimRight(text, "\n")
	}
	return out
}

// TestRecording makes every call that a libvirtd 11.3 made of its helper, on
// the files and profiles that were there before, and compares status, files
// and profiles after.
func TestRecording(t *testing.T) {
	calls := testenv.CorpusLines[recorded](t, "libvirtd_calls.jsonl.gz")
	base, hostFS := policyBase(t), recordedHost()
	n := 0
	for i, c := range calls {
		if c.Program != "virt-aa-helper" {
			continue
		}
		n++
		t.Run(fmt.Sprintf("%s/%03d-%s", c.Run, i, c.Step), func(t *testing.T) { replay(t, base, hostFS, c) })
	}
	if t.Logf("%d calls", n); n < 100 {
		t.Errorf("only %d calls", n)
	}
}

// TestCalls makes calls in the form of a recording. Their text, the template's
// included, is our own; what they say was compared with libvirt 11.3's helper,
// see TestCallsReference.
func TestCalls(t *testing.T) {
	calls, text := ownCalls(t)
	base := t.TempDir()
	write(t, filepath.Join(base, "libvirt"), map[string]string{"TEMPLATE.qemu": text, "TEMPLATE.lxc": text})
	for i, c := range calls {
		t.Run(fmt.Sprintf("%s/%02d-%s", c.Run, i, c.Step), func(t *testing.T) { replay(t, base, fstest.MapFS{}, c) })
	}
}

// ownCalls returns the calls of testdata, and the template that they are made
// with.
func ownCalls(t *testing.T) ([]recorded, string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "template"))
	if err != nil {
		t.Fatal(err)
	}
	calls := testenv.Lines[recorded](t, "calls.jsonl", data)
	if len(calls) < 40 {
		t.Fatalf("only %d calls", len(calls))
	}
	return calls, string(text)
}
