// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/cmd/aapolicy/internal/command"
	"github.com/goarmor/apparmor/loader"
)

var update = flag.Bool("update", false, "write the golden files")

// run runs the program in testdata.
func run(t *testing.T, env command.Env, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env.Stdout, env.Stderr = &out, &errs
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	status = command.Run(t.Context(), args, env)
	return status, out.String(), errs.String()
}

// golden compares a text with a golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", name, diff)
	}
}

// TestGolden holds every output.
func TestGolden(t *testing.T) {
	t.Chdir("testdata")
	for _, tt := range []struct {
		name   string
		status int
		args   string
	}{
		{"check", 1, "check check"},
		{"check-holds", 0, "check check/b.expect"},
		{"check-json", 1, "check --format json check"},
		{"check-junit", 1, "check --format junit check"},
		{"check-sarif", 1, "check --format sarif check"},
		{"check-kernel", 1, "check --kernel 6.12 check/a.expect"},
		{"diff", 1, "diff --kernel 6.12 diff/old diff/new"},
		{"diff-rules", 1, "diff --kernel 6.12 diff/old diff/new2"},
		{"diff-same", 0, "diff diff/old diff/old"},
		{"diff-json", 1, "diff --format json --kernel 6.12 diff/old diff/new2"},
		{"explain", 0, "explain check/apparmor.d/web web read /etc/**"},
		{"explain-all", 0, "explain check/apparmor.d/web web capability net_bind_service"},
		{"explain-none", 0, "explain check/apparmor.d web write /srv/x"},
		{"explain-unmediated", 0, "explain --kernel 6.1 check/apparmor.d web io_uring"},
		{"explain-json", 0, "explain --format json check/apparmor.d web read /etc/**"},
		{"fmt", 0, "fmt ugly"},
		{"fmt-diff", 1, "fmt -d ugly"},
		{"fmt-list", 1, "fmt -l ugly check/apparmor.d/web"},
		{"lint", 1, "lint lint"},
		{"lint-clean", 0, "lint check/apparmor.d"},
		{"lint-json", 1, "lint --format json lint"},
		{"lint-sarif", 1, "lint --format sarif --kernel 6.1 lint"},
		{"lint-characters", 1, "lint --format sarif characters/apparmor.d"},
		{"check-characters", 1, "check --format sarif characters"},
		{"help", 0, "--help"},
		{"help-check", 0, "check --help"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := run(t, command.Env{}, strings.Fields(tt.args)...)
			if status != tt.status || errs != "" {
				t.Errorf("status %d, want %d; %s", status, tt.status, errs)
			}
			golden(t, "golden/"+tt.name, out)
		})
	}
}

// TestWrong holds the status of what is wrong, for which nothing is printed.
func TestWrong(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"broken": "profile {", "x.expect": "policy broken\nprofile a may read /x", "y.expect": "foo"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for args, want := range map[string]string{
		"":                                    "",
		"nothing":                             `unknown command "nothing"`,
		"check":                               "requires at least 1 arg",
		"check x.expect":                      "broken:1:9: ",
		"check y.expect":                      `y.expect:1:1: unexpected word (at "foo")`,
		"check .":                             "broken:1:9: ",
		"check none":                          "no such file",
		"check --format xml .":                `unknown form "xml"`,
		"check --kernel 1 x.expect":           "",
		"diff broken":                         "accepts 2 arg(s)",
		"diff broken broken":                  "broken:1:9: ",
		"diff --kernel 1 broken broken":       `unknown kernel "1"`,
		"explain broken a read /x":            "broken:1:9: ",
		"explain broken a raed /x":            "unknown permission",
		"explain --kernel 1 broken a read /x": `unknown kernel "1"`,
		"fmt broken":                          "broken:1:9: ",
		"fmt -w":                              "-w needs files",
		"fmt .":                               "not a regular file",
		"lint broken":                         "broken:1:9: ",
		"lint --format junit broken":          `unknown form "junit"`,
		"status x":                            "unknown command",
		"man none":                            "no such file",
	} {
		status, out, errs := run(t, command.Env{}, strings.Fields(args)...)
		if args == "" {
			if status != 0 || !strings.Contains(out, "Usage:") {
				t.Errorf("without arguments: %d, %q", status, out)
			}
			continue
		}
		if status != 2 || out != "" || !strings.Contains(errs, want) || !strings.HasPrefix(errs, "aapolicy: ") {
			t.Errorf("%s: status %d, %q, %q, want %q", args, status, out, errs, want)
		}
	}
}

// full is a writer that fails.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestOutputFails(t *testing.T) {
	t.Chdir("testdata")
	for _, args := range []string{"check check", "check --format json check", "check --format junit check", "check --format sarif check", "diff diff/old diff/new", "explain check/apparmor.d web read /x", "fmt ugly", "fmt -l ugly", "lint lint", "--help"} {
		var errs bytes.Buffer
		if status := command.Run(context.Background(), strings.Fields(args), command.Env{Stdout: full{}, Stderr: &errs}); status != 2 || !strings.Contains(errs.String(), "no space") {
			t.Errorf("%s: status %d, %s", args, status, &errs)
		}
	}
}

// TestSARIF checks the members that SARIF 2.1.0 requires, and references.
func TestSARIF(t *testing.T) {
	for _, name := range []string{"check-sarif", "lint-sarif", "check-characters", "lint-characters"} {
		text, err := os.ReadFile("testdata/golden/" + name)
		if err != nil {
			t.Fatal(err)
		}
		type location struct {
			PhysicalLocation *struct {
				ArtifactLocation *struct{ URI string }
				Region           *struct{ StartLine, StartColumn int }
			}
		}
		var log struct {
			Schema  string `json:"$schema"`
			Version string
			Runs    []struct {
				Tool *struct {
					Driver *struct {
						Name  string
						Rules []struct{ ID string }
					}
				}
				Results *[]struct {
					RuleID           string
					RuleIndex        *int
					Level            string
					Message          *struct{ Text string }
					Locations        []location
					RelatedLocations []location
				}
			}
		}
		d := json.NewDecoder(bytes.NewReader(text))
		if err := d.Decode(&log); err != nil {
			t.Fatal(err)
		}
		if log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "sarif-schema-2.1.0.json") || len(log.Runs) != 1 {
			t.Fatalf("%s: %+v", name, log)
		}
		run := log.Runs[0]
		if run.Tool == nil || run.Tool.Driver == nil || run.Tool.Driver.Name == "" || run.Results == nil || len(*run.Results) == 0 {
			t.Fatalf("%s: %+v", name, run)
		}
		for _, r := range *run.Results {
			if r.Message == nil || r.Message.Text == "" || !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level) || len(r.Locations) != 1 {
				t.Errorf("%s: %+v", name, r)
				continue
			}
			if r.RuleIndex == nil || *r.RuleIndex < 0 || run.Tool.Driver.Rules[*r.RuleIndex].ID != r.RuleID {
				t.Errorf("%s: rule %q has a wrong index", name, r.RuleID)
			}
			for _, l := range append(r.Locations, r.RelatedLocations...) {
				p := l.PhysicalLocation
				if p == nil || p.ArtifactLocation == nil || p.ArtifactLocation.URI == "" || p.Region == nil || p.Region.StartLine < 1 || p.Region.StartColumn < 1 {
					t.Errorf("%s: location %+v", name, p)
				}
			}
		}
	}
}

// TestSARIFColumns finds the rules of a file by their columns, which are characters.
func TestSARIFColumns(t *testing.T) {
	t.Chdir("testdata")
	_, out, errs := run(t, command.Env{}, "lint", "--format", "sarif", "characters/apparmor.d")
	type location struct {
		PhysicalLocation struct {
			Region struct{ StartLine, StartColumn int }
		}
	}
	var log struct {
		Runs []struct {
			ColumnKind string
			Results    []struct {
				Message                     struct{ Text string }
				Locations, RelatedLocations []location
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	if log.Runs[0].ColumnKind != "unicodeCodePoints" {
		t.Errorf("columns are %q", log.Runs[0].ColumnKind)
	}
	text, err := os.ReadFile("characters/apparmor.d/web")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	at := func(l location) string {
		r := l.PhysicalLocation.Region
		return string([]rune(lines[r.StartLine-1])[r.StartColumn-1:])
	}
	var got []string
	for _, r := range log.Runs[0].Results {
		got = append(got, at(r.Locations[0])+" | "+at(r.RelatedLocations[0]))
	}
	want := []string{
		"/ä/ü r, deny /ä/ü r, | deny /ä/ü r,",
		"/😀/{a,b}[0-9] r, deny /😀/{a,b}[0-9] rw, | deny /😀/{a,b}[0-9] rw,",
		"/ascii r, /a r, deny /ascii r, | deny /ascii r,",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Braces would be taken for arguments.
	if text := log.Runs[0].Results[1].Message.Text; !strings.HasPrefix(text, "/😀/{{a,b}}[0-9] r, has no effect") {
		t.Errorf("%q", text)
	}
}

// TestJUnit checks that the counts are those of the cases.
func TestJUnit(t *testing.T) {
	text, err := os.ReadFile("testdata/golden/check-junit")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Cases []struct {
				Failure *struct{} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	tests, failures := 0, 0
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			if tests++; c.Failure != nil {
				failures++
			}
		}
	}
	if len(all.Suites) != 2 || tests != all.Tests || failures != all.Failures || failures != 4 {
		t.Errorf("%+v", all)
	}
}

func TestFmtWrite(t *testing.T) {
	ugly, err := os.ReadFile("testdata/ugly")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"a": string(ugly), "broken": "profile {"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", "link"); err != nil {
		t.Fatal(err)
	}
	status, out, errs := run(t, command.Env{}, "fmt", "-w", "-l", "broken", "link")
	if status != 2 || out != "link\n" || !strings.Contains(errs, "broken:1:9") {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
	_, want, _ := run(t, command.Env{Stdin: bytes.NewReader(ugly)}, "fmt")
	got, err := os.ReadFile("a")
	if err != nil || string(got) != want || want == string(ugly) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if info, err := os.Lstat("a"); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat("link"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is replaced: %v, %v", info, err)
	}
	if entries, _ := os.ReadDir("."); len(entries) != 3 {
		t.Errorf("files are left: %v", entries)
	}
	if status, out, errs := run(t, command.Env{}, "fmt", "-w", "-l", "a"); status != 0 || out != "" || errs != "" {
		t.Errorf("again: %d, %q, %q", status, out, errs)
	}
}

// kernel is a kernel in memory.
type kernel struct {
	mode     loader.Mode
	err      error
	profiles []loader.Profile
	labels   map[int]string
}

func (k *kernel) Mode(context.Context) (loader.Mode, error)          { return k.mode, k.err }
func (k *kernel) Profiles(context.Context) ([]loader.Profile, error) { return k.profiles, nil }
func (k *kernel) Close() error                                       { return nil }
func (k *kernel) Label(pid int) (loader.Label, error) {
	switch label, ok := k.labels[pid]; {
	case !ok:
		return loader.Label{}, &loader.Error{Op: loader.OpLabel, Err: os.ErrNotExist}
	case label == "":
		return loader.Label{}, &loader.Error{Op: loader.OpLabel, Err: os.ErrPermission}
	default:
		return loader.ParseLabel(label), nil
	}
}

// TestStatus shows a kernel in memory and a tree that looks like procfs.
func TestStatus(t *testing.T) {
	proc := t.TempDir()
	for _, name := range []string{"1", "20", "3", "400", "5", "60", "self", "0", "-1"} {
		if err := os.Mkdir(filepath.Join(proc, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	k := &kernel{
		mode: loader.ModeEnforce,
		profiles: []loader.Profile{
			{Name: "libvirt-" + uuid, Mode: loader.ModeEnforce}, {Name: "libvirt-" + uuid + "//child", Mode: loader.ModeEnforce},
			{Name: "nginx", Mode: loader.ModeComplain}, {Name: "we\x1b[2Jird", Mode: loader.ModeEnforce},
			{Name: "inside", Namespace: "lxd", Mode: loader.ModeEnforce},
		},
		labels: map[int]string{
			1: "unconfined", 20: "libvirt-" + uuid + " (enforce)", 3: "libvirt-" + uuid + " (enforce)",
			400: "nginx//&:lxd:inside (mixed)", 5: "",
		},
	}
	env := command.Env{Open: func(o loader.Options) (command.Kernel, error) {
		if o.ProcFS != proc {
			t.Errorf("options %+v", o)
		}
		return k, nil
	}}
	for format, name := range map[string]string{"text": "status", "json": "status-json"} {
		status, out, errs := run(t, env, "status", "--proc", proc, "--format", format)
		if status != 0 || errs != "" {
			t.Errorf("%d, %s", status, errs)
		}
		golden(t, "testdata/golden/"+name, out)
	}
	k.mode, k.err = "", &loader.Error{Op: loader.OpMode, Err: os.ErrPermission}
	if status, out, _ := run(t, env, "status", "--proc", proc); status != 0 || !strings.Contains(out, "is not known") {
		t.Errorf("a mode that cannot be read: %d, %s", status, out)
	}
	k.err = errors.New("broken")
	if status, out, errs := run(t, env, "status", "--proc", proc); status != 2 || out != "" || !strings.Contains(errs, "broken") {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
	env.Open = func(loader.Options) (command.Kernel, error) { return nil, loader.ErrDisabled }
	if status, out, errs := run(t, env, "status"); status != 2 || out != "" || errs != "aapolicy: AppArmor is not enabled\n" {
		t.Errorf("%d, %q, %q", status, out, errs)
	}
}

// TestPages writes the manual pages, and the completions of shells.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if status, _, errs := run(t, command.Env{}, "man", dir); status != 0 {
		t.Fatal(errs)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, want := range []string{"aapolicy.1", "aapolicy-check.1", "aapolicy-diff.1", "aapolicy-explain.1", "aapolicy-fmt.1", "aapolicy-lint.1", "aapolicy-status.1"} {
		if !slices.Contains(names, want) {
			t.Errorf("pages %q lack %s", names, want)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "aapolicy-check.1"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/golden/aapolicy-check.1", string(page))
	for _, shell := range []string{"bash", "fish", "zsh", "powershell"} {
		if status, out, _ := run(t, command.Env{}, "completion", shell); status != 0 || !strings.Contains(out, "aapolicy") {
			t.Errorf("completion %s: %d", shell, status)
		}
	}
	if status, out, _ := run(t, command.Env{}, "__complete", "lint", "--kernel", ""); status != 0 || !strings.HasPrefix(out, "6.1\n6.12\n") {
		t.Errorf("kernels are not completed: %d, %q", status, out)
	}
}

var _ io.Writer = full{}
