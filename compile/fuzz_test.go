package compile_test

import (
	"context"
	"errors"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// FuzzCompile takes text to binary policy. Whatever comes out has passed the
// kernel's checks, and must come out the same again.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"/t { /a/** rwlk, deny /a/b x, /c px -> d, ^h { } }",
		"profile t /bin/{a,b*} xattrs=(user.a=x*) flags=(complain,attach_disconnected) { all, }",
		"profile t { mount options in (ro,bind) /a -> /b, remount, umount, pivot_root, }",
		"profile t { unix (connect) type=stream peer=(addr=@x label=y), network inet tcp, dbus, }",
		"profile t { change_profile unsafe /a -> &b//&c, signal set=(rtmin+3), ptrace peer=x, }",
		"profile t { priority=5 audit /[^a]*/** mrix, io_uring, userns, mqueue /q, set rlimit cpu <= 1, }",
	} {
		f.Add(s)
	}
	sets := []string{k61, k73, "features.af_inet"}
	f.Fuzz(func(t *testing.T, text string) {
		ctx := context.Background()
		unit, err := parser.Config{}.ParseTree(ctx, "fuzz", text+"\n")
		if err != nil {
			return
		}
		for _, name := range sets {
			kernel := kernelSet(t, name)
			set, err := policy.Resolve(ctx, unit, policy.Options{Default: kernel, Kernel: kernel})
			if err != nil {
				return
			}
			o := compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: compile.Limits{States: 2000, Memory: 1 << 26}}
			for _, s := range compile.ByNamespace(set) {
				first, err := compile.Compile(ctx, s, o)
				if err != nil {
					var d *diag.Diagnostic
					var f *blob.FormatError
					if !errors.As(err, &d) && !errors.As(err, &f) && !errors.Is(err, diag.ErrLimit) {
						t.Errorf("error without a type: %v", err)
					}
					continue
				}
				again, err := compile.Compile(ctx, s, o)
				if err != nil || again.Policy.Digest() != first.Policy.Digest() {
					t.Errorf("%s: not the same again: %v", name, err)
				}
			}
		}
	})
}
