// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// reference308 compiles policy with Debian's apparmor_parser for a kernel.
func reference308(tb testing.TB, kernel, text string) *blob.Policy {
	tb.Helper()
	out, err := oracle.Parser(tb).Compile(oracle.Job{
		Text: text, Features: oracle.Features(tb, "kernel-"+kernel), Include: []string{testenv.DebianTree(tb)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := blob.Inspect(out)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestCompressedReference reads what apparmor_parser writes by default for a
// kernel that loads compressed policy: a frame for each profile with its hats.
func TestCompressedReference(t *testing.T) {
	parser := oracle.ParserOf(t, oracle.Newest)
	job := oracle.Job{
		Text:     "abi <kernel>,\nprofile a {\n  /a/** r,\n  ^h {\n    /h r,\n  }\n}\nprofile b {\n  /b rw,\n}\n",
		Features: oracle.Features(t, "kernel-7.3"),
	}
	plain, err := parser.Compile(job)
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []string{"-c1", "-c3", "-c10", "-c22"} {
		answer := parser.Run(job, "-Q", "-K", "-S", "-q", level)
		if answer.Exit != 0 {
			t.Fatalf("%s: %+v", level, answer)
		}
		data := answer.Stdout
		if n := bytes.Count(data, []byte("\x28\xb5\x2f\xfd")); n < 2 || len(data) >= len(plain) {
			t.Errorf("%s: %d frames in %d bytes", level, n, len(data))
		}
		p, err := blob.Inspect(data)
		if err != nil || !bytes.Equal(p.Bytes(), plain) {
			t.Errorf("%s: the unpacked bytes are not those that -c0 writes: %v", level, err)
		}
	}
}

const libvirtName = "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac"

// libvirtProfile compiles Debian's template for one machine.
func libvirtProfile(tb testing.TB, kernel string) *blob.Policy {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.DebianTree(tb), "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		tb.Fatal(err)
	}
	return reference308(tb, kernel, strings.ReplaceAll(string(text), "LIBVIRT_TEMPLATE", libvirtName))
}

// TestLibvirtProfile checks fields and answers against the values of
// docs/binary-policy.md, appendix A.
func TestLibvirtProfile(t *testing.T) {
	for kernel, want := range map[string]struct {
		digest          string // the first half of it
		len             int
		states, slots   int // of policydb
		v8, v9, ptrace9 uint32
	}{
		"6.1.192":  {"efab86d0f6b9d7cd", 49817, 140, 444, 0x03708376, 0, 0},
		"6.12.107": {"efab86d0f6b9d7cd", 49817, 140, 444, 0x03708376, 0, 0},
		"7.2.13":   {"e7bb77c8d4f36957", 52113, 272, 556, 0, 0x03708376, 0},
		"7.3.4":    {"e7bb77c8d4f36957", 52113, 272, 556, 0, 0x03708376, 0},
	} {
		t.Run(kernel, func(t *testing.T) {
			p := libvirtProfile(t, kernel)
			digest := p.Digest()
			if got := hex.EncodeToString(digest[:8]); got != want.digest {
				t.Logf("the abstractions here are not those of the appendix (digest %s)", got)
			} else if digest != sha256.Sum256(p.Bytes()) || p.Len() != want.len {
				t.Errorf("%d bytes, want %d", p.Len(), want.len)
			}
			if err := p.Check(blob.KernelLimits{}); err != nil {
				t.Errorf("not for the simplest kernel: %v", err)
			}
			if diff := cmp.Diff([]string{libvirtName}, p.Names()); diff != "" {
				t.Fatal(diff)
			}
			q := p.Profiles()[0]
			file, policydb := q.File.DFA, q.Policydb.DFA
			sizes := [...]int{file.States(), len(file.Next), len(file.Check), policydb.States(), len(policydb.Next)}
			if w := [...]int{2066, 4177, 4177, want.states, want.slots}; sizes != w {
				t.Errorf("sizes are %v, want %v", sizes, w)
			}
			fields := *q
			fields.File, fields.Policydb = nil, nil
			if diff := cmp.Diff(blob.Profile{
				Header: 0x00202007, Name: libvirtName, PathFlags: 4, HasPathFlags: true,
				Caps: blob.Caps{Allow: 0x44c7, Quiet: 0x20},
			}, fields); diff != "" {
				t.Error(diff)
			}
			for path, allow := range map[string]uint32{
				"/": 0x244, "/etc/passwd": 0x244, "/proc/1/status": 0x244, "/usr/lib/libvirt/virt-aa-helper": 0x244,
				"/dev/kvm": 0x337e, "/usr/bin/qemu-system-x86_64": 0x10245, "/tmp/f": 0x200,
			} {
				s := file.MatchString(blob.StartState, path)
				for _, owner := range []bool{true, false} {
					e := q.FilePerms(s, owner)
					if e.Allow != allow {
						t.Errorf("file %s (owner %v): allow %#x, want %#x", path, owner, e.Allow, allow)
					}
					if x := (blob.Exec{Inherit: true}); (allow&1 != 0) != (e.Exec == x) {
						t.Errorf("file %s: exec %+v", path, e.Exec)
					}
				}
			}
			for text, allow := range map[string]uint32{
				"\x0a\x0flibvirtd": 0x8004, "\x10\x09libvirtd": 0x8018,
				"\x07/": 0, "\x15": 0,
			} {
				if e := q.PolicydbPerms(policydb.MatchString(blob.StartState, text)); e.Allow != allow {
					t.Errorf("policydb %q: allow %#x, want %#x", text, e.Allow, allow)
				}
			}
			// 3.0.8 writes networks as version 8 for every kernel.
			s := policydb.MatchString(blob.StartState, "\x0e\x00\x02\x00\x01")
			if e := q.PolicydbPerms(s); e.Allow != 0x03708376 {
				t.Errorf("network inet stream: allow %#x", e.Allow)
			}
			if q.Mediates(blob.ClassNetV9) || q.Mediates(blob.ClassNamespaces) || !q.Mediates(blob.ClassMount) {
				t.Error("a class is mediated that should not be, or mount is not")
			}
		})
	}
}

// TestHatsAndChildren checks the order and the flags of several profiles.
func TestHatsAndChildren(t *testing.T) {
	p := reference308(t, "6.12.107", `
profile t { /x r, ^h1 { /y r, } profile c1 { /z r, } }
profile t2 flags=(complain,attach_disconnected,audit) { /x r, }
`)
	type row struct {
		Name      string
		Hat       bool
		Mode      blob.Mode
		Audit     bool
		PathFlags blob.PathFlags
	}
	var got []row
	for _, q := range p.Profiles() {
		got = append(got, row{q.Name, q.Hat, q.Mode, q.Audit, q.PathFlags})
	}
	want := []row{
		{"t", false, blob.Enforce, false, 0},
		{"t//c1", false, blob.Enforce, false, 0},
		{"t//h1", true, blob.Enforce, false, 0},
		{"t2", false, blob.Complain, true, blob.PathAttachDisconnected},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	again, err := blob.Encode(p.Profiles())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), p.Bytes()) {
		t.Error("Encode writes the profiles differently from the reference")
	}
	if n := p.Needs(); len(n) != 0 {
		t.Errorf("the set needs %q", n)
	}
}

// TestExecModes reads every exec mode as the reference packs it.
func TestExecModes(t *testing.T) {
	p := reference308(t, "6.1.192", `
profile t {
  /ix ix, /ux ux, /Ux Ux, /px px, /Px Px, /cx cx, /Cx Cx,
  /pix pix, /cix cix, /Pix Pix, /Cix Cix, /pux pux, /PUx PUx, /cux cux, /CUx CUx,
  /named px -> other, /Named Px -> :ns:nn, /pin pix -> named,
  /cn cx -> child, /mr mr, deny /denied x, audit /audited rw, owner /mine rw,
  profile child { }
}
`)
	q := p.Profile("t")
	for path, want := range map[string]string{
		"/ix": "ix", "/ux": "ux", "/Ux": "Ux", "/px": "px", "/Px": "Px", "/cx": "cx", "/Cx": "Cx",
		"/pix": "pix", "/cix": "cix", "/Pix": "Pix", "/Cix": "Cix", "/pux": "pux", "/PUx": "PUx", "/cux": "cux", "/CUx": "CUx",
		"/named": "px -> other", "/Named": "Px -> :ns:nn", "/pin": "pix -> named", "/cn": "px -> t//child",
		"/mr": "", "/denied": "",
	} {
		e := q.FilePerms(q.File.DFA.MatchString(blob.StartState, path), true)
		if got := e.Exec.String(); got != want {
			t.Errorf("%s: exec %q, want %q", path, got, want)
		}
	}
	at := func(path string, owner bool) blob.Effective {
		return q.FilePerms(q.File.DFA.MatchString(blob.StartState, path), owner)
	}
	if e := at("/denied", true); e.Quiet != blob.PermExec || e.Allow&blob.PermExec != 0 {
		t.Errorf("/denied: %v", e)
	}
	if e := at("/audited", false); e.Audit&(blob.PermRead|blob.PermWrite) != blob.PermRead|blob.PermWrite {
		t.Errorf("/audited: %v", e)
	}
	if e := at("/mine", false); e.Allow != blob.PermGetattr {
		t.Errorf("/mine for others: %v", e)
	}
	if e := at("/mine", true); e.Allow&0x337e != 0x337e {
		t.Errorf("/mine for the owner: %v", e)
	}
}
