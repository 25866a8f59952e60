// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// strangers are texts of a few kilobytes that ask for much, made for this
// package's automata. They are made when a test runs and are given to nothing
// else.
var strangers = []struct {
	name string
	text func(bytes int) string
}{
	{"alternations of overlapping patterns", func(n int) string {
		return oneProfile(0, n, func(i int) string {
			return fmt.Sprintf("/**{%[1]c*%[2]c,%[2]c*%[3]c*,*%[1]c%[3]c}/**%[2]c r,", 'a'+i%23, 'b'+i*7%23, 'c'+i*11%23)
		})
	}},
	{"five profiles of overlapping patterns", func(n int) string {
		var b strings.Builder
		for p := range 5 {
			b.WriteString(oneProfile(p, n/5, func(i int) string {
				return fmt.Sprintf("/**{%[1]c*%[2]c,%[2]c*%[3]c*,*%[1]c%[3]c}/**%[2]c r,", 'a'+i%23, 'b'+i*7%23, 'c'+i*11%23)
			}))
		}
		return b.String()
	}},
	{"alternations with stars in a row", func(n int) string { return "/t { /" + strings.Repeat("{a*,b*c}", n/8) + "c r, }\n" }},
	{"a rule whose states double", func(n int) string { return "/t { /**{a,b}" + strings.Repeat("?", n) + "c r, }\n" }},
	{"many rules whose states double", func(n int) string {
		return oneProfile(0, n, func(i int) string { return fmt.Sprintf("/**x????????????????%d r,", i) })
	}},
	{"directories anywhere", func(n int) string {
		return oneProfile(0, n, func(i int) string { return fmt.Sprintf("/**/%c%d*/**/%c%d r,", 'a'+i%26, i, 'z'-i%26, i) })
	}},
	{"classes", func(n int) string {
		return oneProfile(0, n, func(i int) string {
			return fmt.Sprintf("/**[%c-%c]*[%c-%c]**[0-%d] rw,", 'a'+i%13, 'n'+i%13, 'A'+i*3%13, 'N'+i*5%13, i%9)
		})
	}},
	{"owners and execution", func(n int) string {
		return oneProfile(0, n, func(i int) string { return fmt.Sprintf("owner /**%c*%d**/* rix, audit /*%d*/** w,", 'a'+i%26, i, i) })
	}},
	{"labels", func(n int) string {
		return oneProfile(0, n, func(i int) string {
			return fmt.Sprintf("signal peer=**%c*%d**, ptrace peer=**%d?*%c,", 'a'+i%26, i, i, 'a'+i%26)
		})
	}},
	{"mounts", func(n int) string {
		return oneProfile(0, n, func(i int) string {
			return fmt.Sprintf("mount fstype=**%c options in (ro,nosuid,noexec) /**%d*/ -> /**/%c*%d/,", 'a'+i%26, i, 'a'+i%26, i)
		})
	}},
	{"small profiles", func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "profile p%d /**/%d* { /**%d*/a** r, }\n", i, i, i)
		}
		return b.String()
	}},
	{"stars", func(n int) string { return "/t { /" + strings.Repeat("**a", n/3) + " r, }\n" }},
	{"a long path", func(n int) string { return "/t { /" + strings.Repeat("a", n) + " r, }\n" }},
	{"many paths", func(n int) string {
		return oneProfile(0, n, func(i int) string { return fmt.Sprintf("/%x r,", i*2654435761%(1<<32)) })
	}},
	{"empty alternatives", func(n int) string { return "/t { /" + strings.Repeat("{,a,b?}", n/7) + " r, }\n" }},
}

// oneProfile fills a profile with rules.
func oneProfile(p, bytes int, rule func(i int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile p%d {\n", p)
	for i := 0; b.Len() < bytes; i++ {
		b.WriteString(rule(i) + "\n")
	}
	return b.String() + "}\n"
}

// fromStranger compiles a text as that of a stranger.
func fromStranger(ctx context.Context, kernel *features.Set, text string, limits compile.Limits) (*compile.Output, error) {
	unit, err := parser.Config{}.ParseTree(ctx, "stranger", text)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: kernel})
	if err != nil {
		return nil, err
	}
	return compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: limits})
}

// peakHeap runs f and returns by how many bytes the heap grew, as seen every
// millisecond.
func peakHeap(f func()) int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before := read()
	stop, done := make(chan bool), make(chan int64)
	go func() {
		peak := before
		for {
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(time.Millisecond):
				peak = max(peak, read())
			}
		}
	}()
	f()
	close(stop)
	return <-done - before
}

// BenchmarkUntrusted shows what the limits for strangers are in time and
// memory: texts of 10 KB that use them up.
func BenchmarkUntrusted(b *testing.B) {
	kernel, _ := features.Kernel("7.3")
	for _, s := range strangers {
		b.Run(strings.ReplaceAll(s.name, " ", "-"), func(b *testing.B) {
			text := s.text(10 << 10)
			var peak, work, memory int64
			var start time.Time
			var took time.Duration
			for b.Loop() {
				peak = max(peak, peakHeap(func() {
					start = time.Now()
					out, err := fromStranger(b.Context(), kernel, text, compile.Untrusted())
					took += time.Since(start)
					var limit *diag.LimitError
					switch {
					case err == nil:
						work, memory = out.Used.Work, out.Used.Memory
					case !errors.As(err, &limit):
						b.Fatal(err)
					default:
						work, memory = 0, 0
						if limit.What == "work to compile the policy" {
							work = limit.Got
						}
						if b.N == 1 {
							b.Log(limit)
						}
					}
				}))
			}
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
			b.ReportMetric(float64(memory)/(1<<20), "MiB-counted")
			b.ReportMetric(float64(work)/1e6, "Mwork")
			if work > 0 {
				b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/float64(work), "ns/work")
			}
		})
	}
}
