package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// lifecycle is a recorded sequence of runs of virt-aa-helper.
type lifecycle struct {
	Scenario string
	Steps    []struct {
		Args []string
		Pre  map[string]any
	}
	Old []outcome `json:"9.0"`
}

type outcome struct {
	RC    int
	After map[string]struct{ Content string }
}

// TestInstantiateCompat makes the profiles that virt-aa-helper 9.0 made, from
// all the templates that the recorded runs had.
func TestInstantiateCompat(t *testing.T) {
	const uuid = "00000000-0000-0000-0000-0123456789ab"
	debian := os.DirFS(testenv.DebianTree(t))
	tested := 0
	for _, l := range testenv.CorpusLines[lifecycle](t, "libvirt_lifecycle.jsonl.gz") {
		if len(l.Steps) != 1 || l.Steps[0].Args[0] != "-c" || len(l.Old) != 1 || strings.HasPrefix(l.Scenario, "zero-size") || strings.HasPrefix(l.Scenario, "profile-symlink") {
			continue
		}
		name := "libvirt/TEMPLATE.qemu"
		if strings.HasPrefix(l.Scenario, "lxc") {
			name = "libvirt/TEMPLATE.lxc"
		}
		roots := []fs.FS{debian}
		missing := false
		for path, content := range l.Steps[0].Pre {
			if rest, ok := strings.CutPrefix(path, "/etc/apparmor.d/"); ok && strings.Contains(path, "TEMPLATE") {
				name = rest
				text, ok := content.(string)
				missing = !ok
				roots = []fs.FS{fstest.MapFS{rest: {Data: []byte(text)}}}
			}
		}
		want, made := l.Old[0].After["libvirt-"+uuid]
		if missing || !made && !strings.HasPrefix(l.Scenario, "template") {
			continue
		}
		tested++
		tmpl, err := svirt.ReadTemplate(roots, name)
		if err != nil {
			t.Fatalf("%s: %v", l.Scenario, err)
		}
		got, err := tmpl.InstantiateCompat(svirt.Compat90, uuid, !strings.HasPrefix(l.Scenario, "lxc"))
		switch {
		case made && err != nil:
			t.Errorf("%s: %v", l.Scenario, err)
		case !made && err == nil:
			t.Errorf("%s: the reference refuses it", l.Scenario)
		case made && strings.ReplaceAll(got, "\r", "") != want.Content: // recorded without them
			t.Errorf("%s: got\n%s\nwant\n%s", l.Scenario, got, want.Content)
		}
	}
	if tested < 12 {
		t.Errorf("only %d scenarios were tested", tested)
	}
}

// TestInstantiate checks the profile that is made from a template.
func TestInstantiate(t *testing.T) {
	ctx := context.Background()
	const head = "# a comment\n#include <tunables/global>\n"
	tests := []struct{ name, text, want string }{
		{"usual", head + "profile LIBVIRT_TEMPLATE flags=(complain) {\n  /a r,\n}\n# LIBVIRT_TEMPLATE\n",
			head + "profile libvirt-U flags=(complain) {\n  /a r,\n\n  include if exists <libvirt/libvirt-U.files>\n}\n# LIBVIRT_TEMPLATE\n"},
		{"first line", "profile LIBVIRT_TEMPLATE {\n}\n", "profile libvirt-U {\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"one line", "profile LIBVIRT_TEMPLATE { /a r, }", "profile libvirt-U { /a r, \n\n  include if exists <libvirt/libvirt-U.files>\n}"},
		{"child", "profile LIBVIRT_TEMPLATE {\nprofile c {\n}\n}\n", "profile libvirt-U {\nprofile c {\n}\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"two", "profile LIBVIRT_TEMPLATE { }\nprofile LIBVIRT_TEMPLATE { }\n", ""},
		{"none", "profile other { }\n", ""},
		{"longer name", "profile LIBVIRT_TEMPLATE_X { }\n", ""},
		{"a child's name", "profile x { profile LIBVIRT_TEMPLATE { } }\n", ""},
		{"broken", "profile LIBVIRT_TEMPLATE {\n", ""},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tmpl := svirt.Template{Name: "t", Text: test.text}
			got, err := tmpl.Instantiate(ctx, uuid, true)
			if test.want == "" {
				var te *svirt.TemplateError
				if !errors.As(err, &te) || got != "" {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if want := strings.ReplaceAll(test.want, "libvirt-U", "libvirt-"+uuid); err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			if _, err := parser.Parse("p", got); err != nil {
				t.Errorf("what was made is no policy: %v", err)
			}
		})
	}
	tmpl := svirt.Template{Name: "t", Text: "profile LIBVIRT_TEMPLATE {\n}\n"}
	if got, err := tmpl.Instantiate(ctx, uuid, false); err != nil || strings.Contains(got, "include") {
		t.Errorf("without rules: %q, %v", got, err)
	}
	if _, err := tmpl.Instantiate(ctx, "x", true); err == nil {
		t.Error("a UUID that is none was taken")
	}
}
