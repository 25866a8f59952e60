// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// fakeKernel notes what it is asked for and refuses what it is told to.
type fakeKernel struct {
	features *features.Set
	calls    []string
	refuse   map[string]error // by call
}

func (k *fakeKernel) call(format string, args ...any) error {
	c := fmt.Sprintf(format, args...)
	k.calls = append(k.calls, c)
	return k.refuse[c]
}

func (k *fakeKernel) Features(context.Context) (*features.Set, error) { return k.features, nil }
func (k *fakeKernel) Close() error                                    { return k.call("close") }

func (k *fakeKernel) Load(_ context.Context, p *blob.Policy) error {
	return k.call("load %s", strings.Join(p.Names(), " "))
}

func (k *fakeKernel) Replace(_ context.Context, p *blob.Policy) error {
	return k.call("replace %s", strings.Join(p.Names(), " "))
}

func (k *fakeKernel) Remove(_ context.Context, namespace, name string) error {
	return k.call("remove %s:%s", namespace, name)
}

func TestKernel(t *testing.T) {
	dir := files(t, policyTree)
	kernel, _ := features.Kernel("6.1")
	binary := runIn(t, dir, "", "-q", "-o", "compiled", "--kernel-features", "features", "other")
	if binary.Status != 0 {
		t.Fatalf("%+v", binary)
	}
	refusal := func(op loader.Op, name string, err error) error {
		return &loader.Error{Op: op, Name: name, Err: err}
	}
	for _, test := range []struct {
		name, args string
		refuse     map[string]error
		want       outcome
		calls      []string
	}{
		{"add", "-v ok", nil, outcome{0, "Addition succeeded for \"ok\".\n", ""}, []string{"load ok", "close"}},
		{"replace", "-r ok path", nil, outcome{}, []string{"replace ok", "replace /bin/x", "close"}},
		{"two namespaces", "-r other", nil, outcome{}, []string{"replace other other//child other//hat", "replace far", "close"}},
		{"remove", "-R other", nil, outcome{}, []string{"remove :other", "remove ns:far", "close"}},
		{"replace compiled policy", "-rB one-namespace", nil, outcome{2, "", "File one-namespace not found, skipping...\n"}, []string{"close"}},
		{"without loading", "-Q ok", nil, outcome{}, nil},
		{"debug", "-d -N ok", nil, outcome{0, "ok\n", ""}, nil},
		{"error in policy", "-r bad ok", nil, outcome{1, "", "AppArmor parser error for bad in profile bad at line 4: ...\n"}, []string{"replace ok", "close"}},
		{
			"exists", "-a -j1 ok path", map[string]error{"load ok": refusal(loader.OpLoad, "ok", syscall.EEXIST)},
			outcome{239, "", "apparmor_parser: Unable to add \"ok\".  Profile already exists\n"},
			[]string{"load ok", "load /bin/x", "close"},
		},
		{
			"exists, and abort", "-a --abort-on-error ok path", map[string]error{"load ok": refusal(loader.OpLoad, "ok", syscall.EEXIST)},
			outcome{239, "", "apparmor_parser: Unable to add \"ok\".  Profile already exists\n"},
			[]string{"load ok", "close"},
		},
		{
			"missing profile", "-Rv other", map[string]error{"remove :other": refusal(loader.OpRemove, "other", syscall.ENOENT)},
			outcome{254, "Removal succeeded for \"far\".\n", "apparmor_parser: Unable to remove \"other\".  Profile doesn't exist\n"},
			[]string{"remove :other", "remove ns:far", "close"},
		},
		{
			"not allowed", "-r ok", map[string]error{"replace ok": refusal(loader.OpReplace, "ok", syscall.EACCES)},
			outcome{243, "", "apparmor_parser: Unable to replace \"ok\".  permission denied\n"},
			[]string{"replace ok", "close"},
		},
		{
			"error without a number", "-r ok", map[string]error{"replace ok": errors.New("beyond it")},
			outcome{1, "", "apparmor_parser: Unable to replace \"ok\".  beyond it\n"},
			[]string{"replace ok", "close"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &fakeKernel{features: kernel, refuse: test.refuse}
			env := Env{Dir: dir, OpenKernel: func(string) (Kernel, error) { return k, nil }}
			args := append([]string{"--config-file=/dev/null", "-K"}, strings.Fields(test.args)...)
			got := runEnv(t, env, args...)
			got.Stderr = elide(test.want.Stderr, got.Stderr)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(test.calls, k.calls); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
		})
	}
}

// TestNoKernel is about machines without AppArmor: what needs it says so, and
// what does not need it works.
func TestNoKernel(t *testing.T) {
	dir := files(t, policyTree)
	asked := ""
	env := Env{Dir: dir, OpenKernel: func(apparmorfs string) (Kernel, error) {
		asked = apparmorfs
		return nil, &loader.Error{Op: loader.OpOpen, Err: loader.ErrDisabled}
	}}
	for _, args := range []string{"ok", "-a ok", "-r ok", "-R ok", "-r -f /mnt ok", "-B ok"} {
		got := runEnv(t, env, append([]string{"--config-file=/dev/null"}, strings.Fields(args)...)...)
		if got.Status != 1 || got.Stdout != "" || !strings.Contains(got.Stderr, "AppArmor is not enabled") {
			t.Errorf("%s: %+v", args, got)
		}
		if strings.Contains(args, "-f") != (asked == "/mnt") {
			t.Errorf("%s: asked for %q", args, asked)
		}
	}
	for _, args := range []string{"-N ok", "-p ok", "-S -M features ok", "-d ok", "-QK ok", "-M features --print-cache-dir", "-D variables ok"} {
		got := runEnv(t, env, append([]string{"--config-file=/dev/null"}, strings.Fields(args)...)...)
		if got.Status != 0 || got.Stderr != "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestOpenKernel(t *testing.T) {
	for _, dir := range []string{"/nowhere", "/kernel/security/apparmor", "kernel/security"} {
		if _, err := openKernel(dir); !errors.Is(err, loader.ErrFileSystem) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := openKernel(t.TempDir() + "/kernel/security/apparmor/"); err == nil {
		t.Error("an empty directory is taken for a kernel's")
	}
}
