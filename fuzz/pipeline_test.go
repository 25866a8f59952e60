// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"reflect"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// The limits are small enough for a fuzzer to reach them, and to be quick.
var (
	resolveLimits = policy.Limits{Statements: 1 << 12, IncludeDepth: 4, Nesting: 48, Values: 128, ExpandedBytes: 1 << 16}
	compileLimits = compile.Limits{Work: 8 << 20, States: 4000, Memory: 16 << 20, Bytes: 1 << 20}
)

// pipelineMemory is the most that one text may make the pipeline allocate for
// one kernel, garbage included.
const pipelineMemory = 1 << 30

// FuzzPipeline takes text to binary policy, for kernels of every form. The
// limits hold, errors have a type, what comes out is the same again and from
// the text's canonical form, and reads as what was written.
func FuzzPipeline(f *testing.F) {
	for _, text := range texts(f, 60) {
		f.Add(text, uint8(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, kernel uint8) {
		watch(t)
		main, tree := split(text)
		kernels := kernels()
		k := kernels[int(kernel)%len(kernels)]
		weigh := weighed(text)
		before := allocated(weigh)
		first, err := pipeline(t.Context(), main, tree, k)
		if n := allocated(weigh) - before; n > pipelineMemory {
			t.Errorf("%d bytes of memory", n)
		}
		if err != nil {
			typed(t, err)
			return
		}
		for _, p := range first {
			reads(t, p)
		}
		again, err := pipeline(t.Context(), main, tree, k)
		if err != nil {
			t.Fatalf("not again: %v", err)
		}
		same(t, "again", first, again)

		file, err := parser.Config{Context: parser.ContextFile}.Parse(t.Context(), "main", main)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := render.Format(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err = pipeline(t.Context(), string(canonical), tree, k)
		if err != nil && !errors.Is(err, diag.ErrLimit) { // which counts bytes of text
			t.Fatalf("canonical form: %v", err)
		}
		if err == nil {
			same(t, "from canonical form", first, again)
		}
	})
}

// kernels are feature sets of every form of binary policy. Those of Ubuntu's
// kernels have addresses in network rules.
var kernels = sync.OnceValue(func() []*features.Set {
	var out []*features.Set
	for _, series := range features.Kernels() {
		if s, ok := features.Kernel(series); ok {
			out = append(out, s)
		}
	}
	return out
})

// pipeline compiles a text, a binary for each namespace.
func pipeline(ctx context.Context, main string, tree fs.FS, kernel *features.Set) ([]*blob.Policy, error) {
	c := parser.Config{Roots: []fs.FS{tree}, Abs: tree, Limits: parseLimits}
	unit, err := c.ParseTree(ctx, "main", main)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: kernel, Roots: c.Roots, Abs: c.Abs, Limits: resolveLimits})
	if err != nil {
		return nil, err
	}
	var out []*blob.Policy
	for _, s := range compile.ByNamespace(set) {
		o, err := compile.Compile(ctx, s, compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: compileLimits})
		if err != nil {
			return nil, err
		}
		out = append(out, o.Policy)
	}
	return out, nil
}

// typed checks that an error is one of those that are documented.
func typed(t *testing.T, err error) {
	var list diag.List
	var limit *diag.LimitError
	var format *blob.FormatError
	var kernel *blob.KernelError
	switch {
	case errors.As(err, &list):
		for _, d := range list {
			if d.Code == "" || d.Message == "" || !d.Pos.IsValid() && d.Pos.File == "" {
				t.Errorf("bad diagnostic %+v", d)
			}
			if errors.Is(d, diag.ErrLimit) && !errors.As(d, &limit) {
				t.Errorf("limit without numbers: %v", d)
			}
		}
	case errors.As(err, &limit):
		if limit.What == "" || limit.Limit <= 0 || limit.Got <= limit.Limit {
			t.Errorf("bad limit %+v", limit)
		}
	case errors.As(err, &format), errors.As(err, &kernel):
	default:
		t.Errorf("error without a type: %T %v", err, err)
	}
}

// reads checks that a binary is read as it was written.
func reads(t *testing.T, p *blob.Policy) {
	if n := int64(p.Len()); n > compileLimits.Bytes {
		t.Errorf("%d bytes are within the limit", n)
	}
	back, err := blob.Inspect(p.Bytes())
	if err != nil {
		t.Fatalf("encoded policy is refused: %v", err)
	}
	if !reflect.DeepEqual(p.Profiles(), back.Profiles()) {
		// Diff takes a thousand times as long.
		t.Fatalf("read as something else:\n%s", cmp.Diff(p.Profiles(), back.Profiles()))
	}
	again, err := blob.Encode(back.Profiles())
	if err != nil {
		t.Fatalf("policy that was read is not encoded: %v", err)
	}
	if !bytes.Equal(p.Bytes(), again.Bytes()) {
		t.Fatal("policy that was read is written differently")
	}
}

// same checks that two runs gave the same bytes.
func same(t *testing.T, what string, a, b []*blob.Policy) {
	if len(a) != len(b) {
		t.Fatalf("%s: %d and %d binaries", what, len(a), len(b))
	}
	for i := range a {
		if !bytes.Equal(a[i].Bytes(), b[i].Bytes()) {
			t.Fatalf("%s: binary %d is another", what, i)
		}
	}
}
