// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/goarmor/apparmor/internal/testenv"
)

// workflow is what TestWorkflow understands of a workflow, and all that it may
// have.
type workflow struct {
	Name        string
	On          []string
	Permissions map[string]string
	Env         map[string]string
	Jobs        map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Steps  []step
	}
}

type step struct {
	Name, Uses, If, Run string
	With                map[string]string
}

// runner plays a machine that runs workflows.
type runner struct {
	clone, temp string // of the repository that is checked; folder for the job
	event       string
	sources     string // of this module's repository
	env         []string
	out         map[string]string // of steps, by name
	uploaded    []byte
}

// run runs the steps until one fails, whose name it returns.
func (r *runner) run(t *testing.T, w workflow) (failed string) {
	t.Helper()
	r.out, r.uploaded = map[string]string{}, nil
	for key, value := range w.Env {
		r.env = append(r.env, key+"="+value)
	}
	for _, s := range w.Jobs["check"].Steps {
		switch s.If {
		case "":
		case "github.event_name == 'pull_request'":
			if r.event != "pull_request" {
				continue
			}
		default:
			t.Fatalf("condition %q: teach this test what it means", s.If)
		}
		if (s.Uses == "") == (s.Run == "") {
			t.Fatalf("step %+v does nothing, or two things", s)
		}
		var err error
		if s.Uses != "" {
			err = r.use(s)
		} else {
			// As the default shell, see the manual of GitHub's workflows.
			cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", s.Run)
			cmd.Dir, cmd.Env = r.clone, append(os.Environ(), r.env...)
			var out []byte
			out, err = cmd.CombinedOutput()
			r.out[s.Name] = string(out)
		}
		if err != nil {
			t.Logf("step %q: %v: %s", s.Name, err, r.out[s.Name])
			return s.Name + s.Uses
		}
	}
	return ""
}

// use does what an action does, for those that the workflow may use.
func (r *runner) use(s step) error {
	action, version, _ := strings.Cut(s.Uses, "@")
	if version == "" {
		return errors.New("an action without a version")
	}
	switch {
	case action == "actions/checkout" && s.With["repository"] == "goarmor/apparmor" && s.With["path"] != "":
		// One for all runs, so that the command is built once.
		return os.Symlink(r.sources, filepath.Join(r.clone, s.With["path"]))
	case action == "actions/checkout" && s.With["repository"] == "" && s.With["fetch-depth"] == "0":
		return nil // there already, with all branches
	case action == "actions/setup-go":
		mod, err := os.ReadFile(filepath.Join(r.sources, "go.mod"))
		if err == nil && !bytes.Contains(mod, []byte("\ngo "+s.With["go-version"])) {
			err = errors.New("go.mod wants another release of Go than " + s.With["go-version"])
		}
		return err
	case action == "github/codeql-action/upload-sarif":
		var err error
		r.uploaded, err = os.ReadFile(filepath.Join(r.clone, s.With["sarif_file"]))
		return err
	}
	return errors.New("unknown action")
}

// TestWorkflow runs the workflow of examples/policycheck on its policy, and on
// changes of it.
func TestWorkflow(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command in a copy of the repository")
	}
	for _, name := range []string{"bash", "git", "go"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("missing: %s; install it", name)
		}
	}
	example := filepath.Join("..", "..", "examples", "policycheck")
	text, err := os.ReadFile(filepath.Join(example, "workflow.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&w); err != nil {
		t.Fatal(err)
	}
	if len(w.Jobs) != 1 || !slices.Equal(w.On, []string{"push", "pull_request"}) || w.Permissions["security-events"] != "write" {
		t.Fatalf("%+v", w)
	}
	sources := t.TempDir()
	testenv.CopySources(t, filepath.Join("..", ".."), sources)

	for _, tt := range []struct {
		name     string
		event    string
		old, new string            // of the policy
		failed   string            // the step; empty: none
		found    bool              // something is in the uploaded file
		none     bool              // nothing is uploaded
		said     map[string]string // parts of what steps print
	}{
		{name: "push", event: "push", said: map[string]string{"Expectations, for people": "expectations hold"}},
		{name: "pull request without a change", event: "pull_request"},
		{
			name: "pull request that allows more", event: "pull_request", old: "  /srv/www/** r,\n", new: "  /srv/www/** r,\n  /srv/more r,\n",
			failed: "Expectations, for people", found: true, said: map[string]string{
				"Expectations, for people": "within reviewed.aa", "What the change allows that was not allowed before": "/srv/more",
			},
		},
		{
			name: "pull request that allows less", event: "pull_request", old: "  deny /etc/web/private/** rw,\n", new: "  deny /etc/web/private/** rw,\n  deny /etc/web/secret rw,\n",
			said: map[string]string{"What the change allows that was not allowed before": "/etc/web/secret"},
		},
		{
			name: "something that must be denied", event: "push", old: "  deny /etc/web/private/** rw,\n", failed: "Expectations, for people", found: true,
			said: map[string]string{"Expectations, for people": "must deny read,write /etc/web/private/**"},
		},
		{name: "a rule without effect", event: "push", old: "  /srv/www/** r,\n", new: "  /srv/www/** r,\n  /srv/www/** r,\n", failed: "Rules without effect", said: map[string]string{"Rules without effect": "duplicate-rule"}},
		{name: "not policy", event: "push", old: "  /srv/www/** r,\n", new: "  /srv/www/** q,\n", failed: "Expectations", none: true, said: map[string]string{"Expectations": "apparmor.d/web:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &runner{clone: filepath.Join(t.TempDir(), "clone"), temp: t.TempDir(), event: tt.event, sources: sources}
			r.env = []string{"RUNNER_TEMP=" + r.temp, "GITHUB_BASE_REF=main", "GITHUB_EVENT_NAME=" + tt.event, "GOWORK=off"}
			// A repository with the example as its policy, and a branch that changes it.
			origin := t.TempDir()
			if err := os.CopyFS(origin, os.DirFS(example)); err != nil {
				t.Fatal(err)
			}
			git := func(dir string, args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com", "-C", dir}, args...)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, out)
				}
			}
			git(origin, "init", "-q", "-b", "main")
			git(origin, "add", ".")
			git(origin, "commit", "-qm", "policy")
			git(origin, "checkout", "-qb", "change")
			if tt.old != "" {
				name := filepath.Join(origin, "apparmor.d", "web")
				policy, err := os.ReadFile(name)
				if err != nil || !strings.Contains(string(policy), tt.old) {
					t.Fatalf("no %q in %s, %v", tt.old, policy, err)
				}
				if err := os.WriteFile(name, []byte(strings.Replace(string(policy), tt.old, tt.new, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
				git(origin, "commit", "-qam", "a change")
			}
			git(origin, "clone", "-q", origin, r.clone)

			if failed := r.run(t, w); failed != tt.failed {
				t.Errorf("step %q failed, want %q", failed, tt.failed)
			}
			for name, want := range tt.said {
				if !strings.Contains(r.out[name], want) {
					t.Errorf("%s says %q, want %q", name, r.out[name], want)
				}
			}
			if tt.none {
				if r.uploaded != nil {
					t.Errorf("uploaded %s", r.uploaded)
				}
				return
			}
			var log struct {
				Version string
				Runs    []struct{ Results []struct{ RuleID string } }
			}
			if err := json.Unmarshal(r.uploaded, &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) > 0 != tt.found {
				t.Errorf("%v, uploaded %.2000s", err, r.uploaded)
			}
		})
	}
}
