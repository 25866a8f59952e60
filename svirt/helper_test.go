// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt/internal/request"
)

// served is the kernel that the program of a Helper works on.
type served struct {
	AppArmor
	mu     sync.Mutex
	loaded map[string]*blob.Policy
	used   bool
	err    error // of Load
}

func newServed(t *testing.T) *served {
	t.Helper()
	set, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("the features of kernel 6.12 are unknown")
	}
	return &served{AppArmor: AppArmor{Features: set, Degrade: 1}, loaded: map[string]*blob.Policy{}}
}

func (s *served) Load(_ context.Context, c Compiled, _ loader.Accept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.loaded[c.(*blob.Policy).Names()[0]] = c.(*blob.Policy)
	}
	return s.err
}

func (s *served) Unload(_ context.Context, profile string, _ loader.RetireOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		return loader.ErrInUse
	}
	if _, ok := s.loaded[profile]; !ok {
		return fs.ErrNotExist
	}
	delete(s.loaded, profile)
	return nil
}

func (s *served) Sealed(context.Context, string) (bool, error) { return false, nil }
func (s *served) InUse(context.Context, string) (bool, error)  { return s.used, nil }

func (s *served) List(context.Context) ([]Loaded, error) {
	out := []Loaded{{"/usr/sbin/sshd", "enforce"}}
	for name := range s.loaded {
		out = append(out, Loaded{name, "enforce"})
	}
	return out, nil
}

func (s *served) Files(_ context.Context, _ string, want func(loader.File) bool) ([]loader.File, error) {
	var out []loader.File
	for _, f := range []loader.File{{PID: 1, Path: "/a", Read: true}, {PID: 1, Path: "/b", Write: true}} {
		if want(f) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (s *served) InForce(ctx context.Context, c Confinement) (bool, error) {
	return s.confines(ctx, c, loader.Accept{}) == nil, nil
}

func (s *served) confines(_ context.Context, c Confinement, _ loader.Accept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.loaded[c.Profile]
	switch {
	case !ok:
		return fs.ErrNotExist
	case loader.FingerprintOf(p) != c.Mark:
		return loader.ErrContent
	}
	return nil
}

// helperOf returns a driver whose program is in this process.
func helperOf(s *served) *Helper {
	return &Helper{Path: "/program", Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler), exec: func(ctx context.Context, data []byte) ([]byte, error) {
		var out bytes.Buffer
		err := serveHelper(ctx, bytes.NewReader(data), &out, s)
		return out.Bytes(), err
	}}
}

// TestHelperDriver manages a machine through a program that does what concerns
// the kernel.
func TestHelperDriver(t *testing.T) {
	s := newServed(t)
	h := helperOf(s)
	m, err := New(t.Context(), ManagerOptions{Dir: t.TempDir(), Driver: h, Derive: Options{FS: emptyFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d := testDomain()
	if err := m.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	profile := "libvirt-" + d.UUID
	first := s.loaded[profile]
	if first == nil {
		t.Fatalf("loaded is %v", s.loaded)
	}
	list, err := h.List(t.Context())
	if d := cmp.Diff([]Loaded{{profile, "enforce"}}, list); d != "" || err != nil {
		t.Errorf("others are shown: %s %v", d, err)
	}
	files, err := h.Files(t.Context(), profile, func(f loader.File) bool { return f.Write })
	if err != nil || len(files) != 1 || files[0].Path != "/b" {
		t.Errorf("%v %v", files, err)
	}
	c := Confinement{Profile: profile, Mark: h.Mark(first)}
	if ok, err := h.InForce(t.Context(), c); !ok || err != nil {
		t.Errorf("in force: %v %v", ok, err)
	}
	if err := h.confines(t.Context(), c, loader.Accept{}); !errors.Is(err, errNoTasks) {
		t.Errorf("%v", err)
	}
	h.Tasks = &loader.Tasks{}
	if err := h.confines(t.Context(), c, loader.Accept{}); err != nil {
		t.Error(err)
	}
	c.Mark = loader.Fingerprint{}
	if err := h.Start(t.Context(), exec.Command("/bin/true"), c, StartOptions{}); !errors.Is(err, loader.ErrContent) {
		t.Errorf("start on other policy: %v", err)
	}
	c.Profile = "libvirt-00000000-0000-0000-0000-000000000000"
	if err := h.ChangeProfile(t.Context(), c, loader.Accept{}); !errors.Is(err, ErrNotLoaded) {
		t.Errorf("a profile that is not loaded: %v", err)
	}
	s.used = true
	if used, err := h.InUse(t.Context(), profile); !used || err != nil {
		t.Errorf("in use: %v %v", used, err)
	}
	if err := m.Remove(t.Context(), d.UUID); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	s.used = false
	if err := m.Remove(t.Context(), d.UUID); err != nil || len(s.loaded) != 0 {
		t.Errorf("%v %v", s.loaded, err)
	}
	s.err = loader.ErrMode
	if err := m.Create(t.Context(), d); !errors.Is(err, loader.ErrMode) {
		t.Errorf("%v", err)
	}
}

// TestHelperRefuses is about what a manager that was taken over may ask for.
func TestHelperRefuses(t *testing.T) {
	const uuid = "00000000-0000-0000-0000-00000000000a"
	const profile = "libvirt-" + uuid
	policy := func(profiles ...*blob.Profile) []byte {
		p, err := blob.Encode(profiles)
		if err != nil {
			t.Fatal(err)
		}
		return p.Bytes()
	}
	own := &blob.Profile{Name: profile}
	for _, tt := range []struct {
		name string
		q    request.Request
		want string // part of the error
	}{
		{"the machine's own", request.Request{Op: request.Load, Profile: profile, Policy: policy(own, &blob.Profile{Name: profile + "//child"})}, ""},
		{"another name", request.Request{Op: request.Load, Profile: "sshd", Policy: policy(&blob.Profile{Name: "sshd"})}, "not the profile of a machine"},
		{"a child's name", request.Request{Op: request.Load, Profile: profile + "//x", Policy: policy(own)}, "not the profile of a machine"},
		{"a longer name", request.Request{Op: request.Load, Profile: profile, Policy: policy(own, &blob.Profile{Name: profile + "x"})}, "may define only"},
		{"two", request.Request{Op: request.Load, Profile: profile, Policy: policy(own, &blob.Profile{Name: "sshd"})}, "may define only"},
		{"a companion of another machine", request.Request{Op: request.Load, Profile: profile, Policy: policy(own, &blob.Profile{Name: "libvirt-00000000-0000-4000-8000-0123456789ff-swtpm"})}, "may define only"},
		{"a companion that attaches", request.Request{Op: request.Load, Profile: profile, Policy: policy(own, &blob.Profile{Name: profile + "-swtpm", Attach: "/usr/bin/swtpm"})}, "attach"},
		{"a namespace", request.Request{Op: request.Load, Profile: profile, Policy: policy(&blob.Profile{Namespace: "ns", Name: profile})}, "may define only"},
		{"a new name for another", request.Request{Op: request.Load, Profile: profile, Policy: policy(&blob.Profile{Name: profile, Rename: "sshd"})}, "may define only"},
		{"an attachment", request.Request{Op: request.Load, Profile: profile, Policy: policy(&blob.Profile{Name: profile, Attach: "/usr/sbin/sshd"})}, "would attach"},
		{"children alone", request.Request{Op: request.Load, Profile: profile, Policy: policy(&blob.Profile{Name: profile + "//x"})}, "does not define"},
		{"broken policy", request.Request{Op: request.Load, Profile: profile, Policy: []byte("x")}, ""},
		{"unload another", request.Request{Op: request.Unload, Profile: "sshd", Retire: &loader.RetireOptions{}}, "not the profile of a machine"},
		{"unload without options", request.Request{Op: request.Unload, Profile: profile}, "no options"},
		{"unload by a cgroup", request.Request{Op: request.Unload, Profile: profile, Retire: &loader.RetireOptions{Cgroup: "/sys/fs/cgroup/system.slice", Kill: true}}, "not believed"},
		{"a request for a broker", request.Request{Op: request.Create, Domain: []byte("{}")}, "not served"},
		{"a field of another request", request.Request{Op: request.Sealed, Profile: profile, Policy: []byte("x")}, "must not have policy"},
		{"an unknown request", request.Request{Op: "reboot", Profile: profile}, "unknown request"},
	} {
		s := newServed(t)
		s.loaded["sshd"] = nil
		err := func() error { _, err := helperOf(s).call(t.Context(), tt.q); return err }()
		if tt.name == "the machine's own" {
			if err != nil || len(s.loaded) != 2 {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var e *HelperError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || len(s.loaded) != 1 {
			t.Errorf("%s: %v, want %q; %d loaded", tt.name, err, tt.want, len(s.loaded))
		}
	}
	for _, text := range []string{"", "{", `{"op":"list","more":1}`, "[]", "null", `{"op":"list"}{}`, strings.Repeat(" ", maxHelperMessage+1)} {
		if err := serveHelper(t.Context(), strings.NewReader(text), &bytes.Buffer{}, newServed(t)); err == nil {
			t.Errorf("%.20q is a request", text)
		}
	}
}

// TestHelperProgram runs programs that reply in all the ways that they should
// not.
func TestHelperProgram(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("missing: sh")
	}
	for _, tt := range []struct {
		name, script, want string
		is                 error
	}{
		{"an error", `printf '{"error":"it is not enforced","is":["mode","unknown"]}'`, "it is not enforced", loader.ErrMode},
		{"not a reply", "echo hello", "not a reply", nil},
		{"nothing", "cat >/dev/null", "not a reply", nil},
		{"a status", "echo why >&2; exit 3", "exit status 3: why", nil},
		{"too much", "cat /dev/zero", "", nil},
		{"an environment", `[ -z "$HOME$SECRET" ] && printf '{"error":"clean"}'`, "clean", nil},
	} {
		t.Setenv("SECRET", "x")
		h := &Helper{Path: sh, Args: []string{"-c", tt.script}}
		_, err := h.List(t.Context())
		var e *HelperError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || tt.is == nil && errors.Is(err, loader.ErrMode) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Helper{Path: sh, Args: []string{"-c", "sleep 60"}}).List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := OpenHelper(t.Context(), "/does/not/exist"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// FuzzServeHelper holds that no request makes the program panic, or load another
// profile than a machine's.
func FuzzServeHelper(f *testing.F) {
	p, err := blob.Encode([]*blob.Profile{{Name: "libvirt-00000000-0000-0000-0000-00000000000a"}})
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []request.Request{
		{Op: request.Features}, {Op: request.List},
		{Op: request.Load, Profile: p.Names()[0], Policy: p.Bytes()},
		{Op: request.Unload, Profile: p.Names()[0], Retire: &loader.RetireOptions{}},
	} {
		data, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	set, _ := features.Kernel("6.12")
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &served{AppArmor: AppArmor{Features: set, Degrade: 1}, loaded: map[string]*blob.Policy{}}
		var out bytes.Buffer
		if err := serveHelper(t.Context(), bytes.NewReader(data), &out, s); err == nil && !json.Valid(out.Bytes()) {
			t.Errorf("the reply is %q", out.Bytes())
		}
		for name := range s.loaded {
			if !libvirtNames.owns(name) {
				t.Errorf("%q is loaded", name)
			}
		}
	})
}
