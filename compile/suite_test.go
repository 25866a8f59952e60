// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// leastAccepted is how many of upstream's policy tests are at least accepted.
const leastAccepted = 1200

// debianKernels are the kernels whose features package features knows, and
// what they load, which is not derived from those features.
var debianKernels = []struct {
	series string
	limits blob.KernelLimits
}{
	{"6.1", blob.KernelLimits{MaxABI: 8, Disconnected: true}},
	{"6.12", blob.KernelLimits{MaxABI: 9, Prompt: true, Disconnected: true}},
	{"7.2", laterKernels},
	{"7.3", laterKernels},
}

var laterKernels = blob.KernelLimits{
	MaxABI: 9, PermTables: 3, Wide: true, DiffEncode: true,
	Prompt: true, Disconnected: true, Kill: true, CapsExtended: true,
}

// suitePolicy is a policy test as it was compiled for one of debianKernels.
type suitePolicy struct {
	kernel int
	test   string
	data   []byte
}

// suiteLoader takes policy tests to what debianKernels load.
type suiteLoader struct {
	config  parser.Config
	kernels []*features.Set // of debianKernels
}

func newSuiteLoader(tb testing.TB, s upstream.PolicySuite) suiteLoader {
	tb.Helper()
	l := suiteLoader{config: parser.Config{Roots: s.Roots, Abs: s.Abs, Dir: s.Dir, Cache: &parser.Cache{}}}
	for _, k := range debianKernels {
		set, ok := features.Kernel(k.series)
		if !ok {
			tb.Fatalf("no features of %s", k.series)
		}
		l.kernels = append(l.kernels, set)
	}
	return l
}

// load returns what a test comes to, verified.
func (l suiteLoader) load(ctx context.Context, test upstream.PolicyTest) ([]suitePolicy, error) {
	unit, err := l.config.ParseTree(ctx, test.Path, test.Text)
	if err != nil {
		return nil, err
	}
	var policies []suitePolicy
	for i, kernel := range l.kernels {
		set, err := policy.Resolve(ctx, unit, policy.Options{
			Kernel: kernel, Roots: l.config.Roots, Abs: l.config.Abs, Dir: l.config.Dir,
		})
		if err != nil {
			return nil, fmt.Errorf("for %s: %w", debianKernels[i].series, err)
		}
		for _, p := range set.Profiles {
			p.ABI = nil // the kernel's set is the policy's, too
		}
		for _, s := range compile.ByNamespace(set) {
			out, err := compile.Compile(ctx, s, compile.Options{Kernel: kernel, Degrade: compile.Report})
			if err != nil {
				return nil, fmt.Errorf("for %s: %w", debianKernels[i].series, err)
			}
			data := out.Policy.Bytes()
			read, err := blob.Inspect(data)
			if err == nil {
				err = read.Check(debianKernels[i].limits)
			}
			if err != nil {
				return nil, fmt.Errorf("on %s: %w", debianKernels[i].series, err)
			}
			policies = append(policies, suitePolicy{i, test.Path, data})
		}
	}
	return policies, nil
}

// TestSuiteLoads compiles every policy test that 6.0 accepts for every kernel,
// and checks that the kernel loads what comes of it. In full mode, the
// independent decoder judges a sample, too.
func TestSuiteLoads(t *testing.T) {
	s := upstream.PolicyTests(t, !testing.Short())
	loader := newSuiteLoader(t, s)
	var (
		tests    = make(chan int)
		workers  sync.WaitGroup
		mu       sync.Mutex
		good     int
		bare     int // tests without a profile
		policies = make([]int, len(debianKernels))
		sample   = make([][]suitePolicy, len(s.Tests))
	)
	step := suiteSample()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range tests {
				ps, err := loader.load(t.Context(), s.Tests[i])
				mu.Lock()
				if err != nil {
					t.Errorf("%s %v", s.Tests[i].Path, err)
				} else {
					good++
				}
				if err == nil && len(ps) == 0 {
					bare++
				}
				for _, p := range ps {
					policies[p.kernel]++
				}
				if i%step == 0 || !strings.HasPrefix(s.Tests[i].Path, "generated") {
					sample[i] = ps
				}
				mu.Unlock()
			}
		})
	}
	total := 0
	for i, test := range s.Tests {
		if test.Accept {
			total++
			tests <- i
		}
	}
	close(tests)
	workers.Wait()

	t.Logf("%d of %d tests, %d without a profile, policies %v", good, total, bare, policies)
	if total < leastAccepted || bare == 0 {
		t.Errorf("%d tests, %d without a profile, there should be at least %d and one", total, bare, leastAccepted)
	}
	for i, n := range policies {
		if n < good-bare {
			t.Errorf("only %d policies of %d tests for %s", n, good-bare, debianKernels[i].series)
		}
	}
	if !testing.Short() {
		t.Run("second judge", func(t *testing.T) { judgeSuite(t, sample) })
	}
}

// The independent decoder judges what hand-written tests come to, and a sample
// of the generated ones. These are suiteJudged policies at least.
const suiteJudged = 2400

// suiteSample is the step of that sample: of all generated tests, or of those
// that were picked from them.
func suiteSample() int {
	if testenv.Full() {
		return 47
	}
	return 2
}

// verifyScript has the independent decoder verify a series of policies.
//
//go:embed testdata/verify.py
var verifyScript string

// judgeSuite has the independent decoder verify policies, in one process for
// each kernel.
func judgeSuite(t *testing.T, sample [][]suitePolicy) {
	python, decoder := secondJudge(t)
	for i, kernel := range debianKernels {
		t.Run(kernel.series, func(t *testing.T) {
			t.Parallel()
			var in, want bytes.Buffer
			n := 0
			for _, ps := range sample {
				for _, p := range ps {
					if p.kernel != i {
						continue
					}
					for _, part := range [][]byte{[]byte(p.test), p.data} {
						in.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(part))))
						in.Write(part)
					}
					fmt.Fprintf(&want, "%s: ok\n", p.test)
					n++
				}
			}
			if n < suiteJudged {
				t.Errorf("only %d policies in the sample", n)
			}
			cmd := exec.CommandContext(t.Context(), python, "-c", verifyScript, filepath.Dir(decoder), kernel.series)
			cmd.Stdin = &in
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got, expected := bytes.Split(out, []byte("\n")), bytes.Split(want.Bytes(), []byte("\n"))
			if len(got) != len(expected) {
				t.Errorf("%d lines, want %d", len(got), len(expected))
			}
			for j := range min(len(got), len(expected)) {
				if !bytes.Equal(got[j], expected[j]) {
					t.Errorf("%s", got[j])
				}
			}
			t.Logf("%d policies judged", n)
		})
	}
}
