// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// limitOf compiles for kernel 6.1 and returns the limit that was exceeded, if
// one was.
func limitOf(t *testing.T, set *policy.Set, limits compile.Limits) (*compile.Output, *diag.LimitError) {
	t.Helper()
	kernel, ok := features.Kernel("6.1")
	if !ok {
		t.Fatal("no kernel 6.1")
	}
	out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, Limits: limits})
	var limit *diag.LimitError
	if err != nil && (!errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit)) {
		t.Fatal(err)
	}
	return out, limit
}

// TestLimits compiles with as much as a policy needs, and with less.
func TestLimits(t *testing.T) {
	set := ruleSet(execRule("/usr/{lib,share}/**/[ab]*/x", ast.ExecInherit), execRule("/usr/**/y", ast.ExecInherit))
	out, limit := limitOf(t, set, compile.Limits{})
	if limit != nil {
		t.Fatal(limit)
	}
	stats := out.Stats[0]
	if built := stats.File.Built + stats.Policydb.Built + stats.XMatch.Built; out.Used.States != built {
		t.Errorf("%d states were used, %d built", out.Used.States, built)
	}
	size := int64(out.Policy.Len())
	for _, c := range []struct {
		what     string
		ok, over compile.Limits
	}{
		{"states of all automata", compile.Limits{States: out.Used.States}, compile.Limits{States: out.Used.States - 1}},
		{"work to compile the policy", compile.Limits{Work: out.Used.Work}, compile.Limits{Work: out.Used.Work - 1}},
		{"bytes of memory to compile the policy", compile.Limits{Memory: out.Used.Memory}, compile.Limits{Memory: out.Used.Memory - 1}},
		{"bytes of binary policy", compile.Limits{Bytes: size}, compile.Limits{Bytes: size - 1}},
	} {
		if _, limit := limitOf(t, set, c.ok); limit != nil {
			t.Errorf("%+v: %v", c.ok, limit)
		}
		if _, limit := limitOf(t, set, c.over); limit == nil || limit.What != c.what || limit.Got <= limit.Limit {
			t.Errorf("%+v: %v", c.over, limit)
		}
	}
}

// TestLimitBytesEarly checks that many profiles are not all compiled before
// the limit is looked at.
func TestLimitBytesEarly(t *testing.T) {
	set := &policy.Set{}
	for i := range 100 {
		set.Profiles = append(set.Profiles, &policy.Profile{Name: fmt.Sprintf("p%02d", i), Rules: ruleSet(execRule("/usr/**/y", ast.ExecInherit)).Profiles[0].Rules})
	}
	out, limit := limitOf(t, set, compile.Limits{})
	if limit != nil {
		t.Fatal(limit)
	}
	size := int64(out.Policy.Len())
	if _, limit := limitOf(t, set, compile.Limits{Bytes: size / 10}); limit == nil || limit.Got > size/2 {
		t.Errorf("a tenth of %d bytes: %v", size, limit)
	}
}

// TestLimitExecTargets fills the table of exec targets of the old form, and
// permission tables.
func TestLimitExecTargets(t *testing.T) {
	targets := func(n int) *policy.Set {
		var rules []ast.Rule
		for i := range n {
			rules = append(rules, &ast.FileRule{Path: ast.Pattern(fmt.Sprint("/", i)), Exec: ast.ExecProfile, Target: fmt.Sprint("t", i)})
		}
		return ruleSet(rules...)
	}
	if _, limit := limitOf(t, targets(12), compile.Limits{}); limit != nil {
		t.Errorf("12 targets: %v", limit)
	}
	if _, limit := limitOf(t, targets(13), compile.Limits{}); limit == nil || limit.What != "exec targets" || limit.Limit != 12 || limit.Got != 13 {
		t.Errorf("13 targets: %v", limit)
	}

	kernel, ok := features.Kernel("7.3")
	if !ok {
		t.Fatal("no kernel 7.3")
	}
	for n, want := range map[int]diag.LimitError{
		32_766: {}, // and a pair of entries for what is not granted
		32_767: {What: "entries of a permission table", Limit: 65_535, Got: 65_536},
		32_768: {What: "exec targets", Limit: 32_767, Got: 32_768},
	} {
		_, err := compile.Compile(t.Context(), targets(n), compile.Options{Kernel: kernel})
		var got *diag.LimitError
		if errors.As(err, &got); got == nil {
			got = &diag.LimitError{}
		}
		if got.What != want.What || got.Limit != want.Limit || got.Got != want.Got || (err == nil) != (want.What == "") {
			t.Errorf("%d targets: %+v, want %+v (%v)", n, *got, want, err)
		}
	}
}

// TestLimitErrors checks that a policy full of mistakes gives a list that a
// person can read.
func TestLimitErrors(t *testing.T) {
	kernel, _ := features.Kernel("6.1")
	set := &policy.Set{}
	for i := range 1000 {
		rule := &ast.CapabilityRule{Names: []string{"none"}}
		set.Profiles = append(set.Profiles, &policy.Profile{Name: strings.Repeat("p", i+1), Rules: []policy.Rule{{Rule: rule}}})
	}
	_, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel})
	var list diag.List
	if !errors.As(err, &list) || len(list) < 100 || len(list) > 110 {
		t.Errorf("%d errors: %v", len(list), err)
	}
}

// TestLimitManyProfiles compiles many small profiles that only together take
// too much, in one namespace and in several.
func TestLimitManyProfiles(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	set := &policy.Set{}
	for i := range 60 {
		p := &policy.Profile{Name: fmt.Sprintf("p%02d", i), Rules: ruleSet(execRule(ast.Pattern(fmt.Sprintf("/usr/**/y%d", i)), ast.ExecInherit)).Profiles[0].Rules}
		if i >= 30 {
			p.Namespace = "ns"
		}
		set.Profiles = append(set.Profiles, p)
	}
	o := compile.Options{Kernel: kernel, Degrade: compile.Report}
	outs, err := compile.CompileAll(t.Context(), set, o)
	if err != nil || len(outs) != 2 {
		t.Fatalf("%d outputs, %v", len(outs), err)
	}
	used := outs[1].Used
	if one := outs[0].Used; one.Work > used.Work*2/3 || one.States > used.States*2/3 || one.Bytes > used.Bytes*2/3 {
		t.Errorf("one namespace takes %+v, both %+v", one, used)
	}
	for _, l := range []compile.Limits{
		{Work: used.Work - 1}, {States: used.States - 1}, {Memory: used.Memory - 1}, {Bytes: used.Bytes - 1},
		{Work: used.Work / 2}, {States: used.States / 2}, {Memory: used.Memory / 2}, {Bytes: used.Bytes / 2},
	} {
		o.Limits = l
		outs, err := compile.CompileAll(t.Context(), set, o)
		var limit *diag.LimitError
		if outs != nil || !errors.As(err, &limit) || limit.Got <= limit.Limit || limit.Got > 2*limit.Limit+1<<16 {
			t.Errorf("%+v: %v", l, err)
		}
		if l.States > 0 && (len(limit.Costs) != 3 || limit.Costs[0].Profile == limit.Costs[1].Profile || !strings.HasPrefix(limit.Costs[0].Text, "file rule /usr/**/y")) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	o.Limits = used
	if _, err := compile.CompileAll(t.Context(), set, o); err != nil {
		t.Errorf("with what it takes: %v", err)
	}
}

// TestLimitCosts hides rules that explode among many that do not, and finds
// them named, the worst first, with their places.
func TestLimitCosts(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	rules := func(from, n int) string {
		return oneProfile(0, n, func(i int) string { return fmt.Sprintf("/usr/share/%d/**/doc-%d/* r,", from+i, i) })
	}
	for _, tt := range []struct {
		name, text string
		limits     compile.Limits
		want       []string // texts of rules, in order
	}{
		{"one", "profile a {\n/usr/** r,\n/**{a,b}????????????????c w,\n/etc/** r,\n}\n", compile.Limits{States: 2000}, []string{"/**{a,b}????????????????c w,"}},
		{"by work", "profile a {\n/usr/** r,\n/**{a,b}????????????????c w,\n/etc/** r,\n}\n", compile.Limits{Work: 1 << 20}, []string{"/**{a,b}????????????????c w,"}},
		{"by memory", "profile a {\n/usr/** r,\n/**{a,b}????????????????c w,\n/etc/** r,\n}\n", compile.Limits{Memory: 1 << 20}, []string{"/**{a,b}????????????????c w,"}},
		{"two rules that multiply", "profile a {\n/** r,\n/**a????????b w,\n/lib/x r,\n/**c????????d k,\n}\n", compile.Limits{States: 20000}, []string{"/**a????????b w,", "/**c????????d k,"}},
		{"an earlier profile", "profile a {\n/**{a,b}?????????c w,\n}\n" + strings.Replace(rules(0, 3000), "p0", "z", 1), compile.Limits{States: 1400}, []string{"/**{a,b}?????????c w,"}},
		{"a label", "profile a {\nsignal peer=**{a,b}????????????c,\n/x r,\n}\n", compile.Limits{States: 2000}, []string{"signal peer=**{a,b}????????????c,"}},
		{"an attachment", "profile a /**{a,b}????????????c {\n/x r,\n}\n", compile.Limits{States: 2000}, []string{"profile a"}},
		{"before automata", "profile a {\n/x r,\n/" + strings.Repeat("{a,b}", 2000) + " r,\n}\n", compile.Limits{Memory: 1 << 19}, []string{"/" + strings.Repeat("{a,b}", 2000) + " r,"}},
	} {
		_, err := fromStranger(t.Context(), kernel, tt.text, tt.limits)
		var limit *diag.LimitError
		if !errors.As(err, &limit) || len(limit.Costs) < len(tt.want) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for i, want := range tt.want {
			line := 1 + strings.Count(tt.text[:strings.Index(tt.text, want)], "\n")
			if c := limit.Costs[i]; c.Text != want || c.Pos.Line != line || c.Pos.File != "stranger" || c.Amount == 0 || c.Unit == "" {
				t.Errorf("%s: %+v", tt.name, c)
			}
		}
		if !strings.Contains(err.Error(), "; most is for stranger:") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestLimitDeterministic compiles the texts of strangers in several goroutines:
// each says the same every time, and takes the same.
func TestLimitDeterministic(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	limits := compile.Untrusted()
	limits.Work, limits.Memory = limits.Work/16, limits.Memory/4
	said := func() string {
		var b strings.Builder
		for _, s := range strangers {
			out, err := fromStranger(t.Context(), kernel, s.text(3000), limits)
			if err == nil {
				fmt.Fprintf(&b, "%s: %+v\n", s.name, out.Used)
				continue
			}
			fmt.Fprintf(&b, "%s: %v\n", s.name, err)
		}
		return b.String()
	}
	results := make(chan string, 3)
	for range cap(results) {
		go func() { results <- said() }()
	}
	first := <-results
	for range cap(results) - 1 {
		if again := <-results; again != first {
			t.Errorf("once\n%s\nand once\n%s", first, again)
		}
	}
	if n := strings.Count(first, "exceeded"); n < 5 {
		t.Errorf("only %d of them exceed a limit", n)
	}
	if strings.Contains(first, "Work:") == false {
		t.Error("every text exceeds a limit, want some that do not")
	}
}

// lateContext is done when it has been asked a number of times.
type lateContext struct {
	context.Context
	left int
}

func (c *lateContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestLimitContext ends contexts at every turn of the work, and checks that
// this ends it.
func TestLimitContext(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	for _, s := range strangers {
		text := s.text(2000)
		unit, err := parser.Config{}.ParseTree(t.Context(), "stranger", text)
		if err != nil {
			t.Fatal(err)
		}
		set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Default: kernel})
		if err != nil {
			t.Fatal(err)
		}
		o := compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: compile.Limits{Work: 16 << 20}}
		for n := 0; n < 256; n = 2*n + 1 {
			c := &lateContext{t.Context(), n}
			if _, err := compile.Compile(c, set, o); c.left < 0 && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: after %d looks: %v", s.name, n, err)
			}
		}
	}
}

// TestMemoryKept looks at what is kept for the next compile, which no limit counts:
// it must be little, however much one took, and whether it ended well.
func TestMemoryKept(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	var alternatives strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&alternatives, ",%05d", i)
	}
	live := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, tt := range []struct {
		name, text string
		limits     compile.Limits
		refused    bool
	}{
		{"alternatives", "profile a {\n/{x" + alternatives.String() + "} r,\n}\n", compile.Limits{}, false},
		{"empty alternatives, too many", "profile a {\n/" + strings.Repeat("{,a}", 3000) + "b r,\n}\n", compile.Limits{Work: 16 << 20}, true},
	} {
		live() // what is kept stays until the second collection
		before := live()
		_, err := fromStranger(t.Context(), kernel, tt.text, tt.limits)
		if errors.Is(err, diag.ErrLimit) != tt.refused || err != nil && !tt.refused {
			t.Fatal(err)
		}
		if kept := live() - before; kept > 6<<20 {
			t.Errorf("%s: %d bytes are kept", tt.name, kept)
		}
	}
}

// TestInstanceLimits makes an instance with as much as the attempt to add it to
// its base needs, and with less: then it is compiled as a whole, within what is
// left, or refused.
func TestInstanceLimits(t *testing.T) {
	kernel, _ := features.Kernel("7.3")
	set := ruleSet(execRule("/usr/bin/y", ast.ExecInherit))
	d := &compile.Delta{Name: "u"}
	for i := range 300 {
		d.Rules = append(d.Rules, policy.Rule{Rule: &ast.FileRule{Path: ast.Pattern(fmt.Sprintf("/srv/%d/image-%d", i%7, i)), Perms: ast.FileRead}})
	}
	o := compile.Options{Kernel: kernel, Degrade: compile.Report}
	instance := func(l compile.Limits) (*compile.Instance, *diag.LimitError) {
		t.Helper()
		o := o
		o.Limits = l
		base, err := compile.NewBase(t.Context(), set, o)
		if err != nil {
			t.Fatal(err)
		}
		i, err := base.Instantiate(t.Context(), d)
		data, appendErr := base.Append(t.Context(), nil, d)
		if fmt.Sprint(err) != fmt.Sprint(appendErr) || err == nil && string(data) != string(i.Policy.Bytes()) {
			t.Errorf("%+v: Instantiate: %v, Append: %v", l, err, appendErr)
		}
		var limit *diag.LimitError
		if err != nil && !errors.As(err, &limit) {
			t.Fatal(err)
		}
		return i, limit
	}
	added, limit := instance(compile.Limits{})
	if limit != nil || added.Whole != "" {
		t.Fatal(limit, added)
	}
	used := added.Used
	if used.Work == 0 || used.States < 600 || used.Memory == 0 || used.Bytes != int64(added.Policy.Len()) {
		t.Errorf("%+v was used", used)
	}
	for _, l := range []compile.Limits{{States: used.States}, {Work: 2 * used.Work}, {Memory: used.Memory}, {Bytes: used.Bytes}} {
		if i, limit := instance(l); limit != nil || i.Whole != "" {
			t.Errorf("%+v: %v, %+v", l, limit, i)
		}
	}

	// As a whole it takes no states of pairs.
	i, limit := instance(compile.Limits{States: used.States - 1})
	if limit != nil || !strings.Contains(i.Whole, "states of all automata") {
		t.Fatalf("less by a state: %v, %+v", limit, i)
	}
	top := *set.Profiles[0]
	top.Name, top.Rules = d.Name, append(append([]policy.Rule(nil), top.Rules...), d.Rules...)
	whole, err := compile.Compile(t.Context(), &policy.Set{Profiles: []*policy.Profile{&top}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if more := i.Used.Work - whole.Used.Work; more <= 0 || more > used.Work {
		t.Errorf("the attempt counts as %d steps, and takes up to %d", more, used.Work)
	}
	for _, l := range []compile.Limits{
		{States: used.States - 1, Work: whole.Used.Work}, // the attempt fails, and counts
		{Memory: min(used.Memory, whole.Used.Memory) - 1},
		{Bytes: min(used.Bytes, whole.Used.Bytes) - 1},
	} {
		if i, limit := instance(l); limit == nil || limit.Got <= limit.Limit {
			t.Errorf("%+v: %v, %+v", l, limit, i)
		}
	}
}
