// SPDX-License-Identifier: Apache-2.0

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
		text, err := fs.ReadFile(roots[0], name)
		if err != nil {
			t.Fatalf("%s: %v", l.Scenario, err)
		}
		got, err := svirt.InstantiateCompat(svirt.Compat90, name, string(text), uuid, !strings.HasPrefix(l.Scenario, "lxc"))
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
		{"quoted", "profile \"LIBVIRT_TEMPLATE\" { }\n", "profile \"libvirt-U\" { \n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"escaped", "profile \"LIBVIRT\\137TEMPLATE\" { }\n", ""},
		{"in a comment", "profile # LIBVIRT_TEMPLATE\n \"LIBVIRT\\137TEMPLATE\" { }\n", ""},
		{"namespace", "profile :LIBVIRT_TEMPLATE:LIBVIRT_TEMPLATE { }\n", ""},
		{"none", "profile other { }\n", ""},
		{"longer name", "profile LIBVIRT_TEMPLATE_X { }\n", ""},
		{"a child's name", "profile x { profile LIBVIRT_TEMPLATE { } }\n", ""},
		{"a label", "profile LIBVIRT_TEMPLATE {\n  signal peer=LIBVIRT_TEMPLATE,\n}\n",
			"profile libvirt-U {\n  signal peer=libvirt-U,\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"labels", "profile LIBVIRT_TEMPLATE {\n  signal peer={LIBVIRT_TEMPLATE,LIBVIRT_TEMPLATE-*,LIBVIRT_MACHINE},\n}\n",
			"profile libvirt-U {\n  signal peer={libvirt-U,libvirt-U-*,libvirt-U},\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"a path", "profile LIBVIRT_TEMPLATE {\n  /srv/LIBVIRT_TEMPLATE/** r,\n}\n",
			"profile libvirt-U {\n  /srv/libvirt-U/** r,\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"a target", "profile LIBVIRT_TEMPLATE {\n  /usr/bin/x Px -> LIBVIRT_TEMPLATE-x,\n}\n",
			"profile libvirt-U {\n  /usr/bin/x Px -> libvirt-U-x,\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"the place of the rules", "profile LIBVIRT_TEMPLATE {\n  #include if exists <libvirt/LIBVIRT_TEMPLATE.files>\n  /a r,\n}\n",
			"profile libvirt-U {\n  #include if exists <libvirt/libvirt-U.files>\n  /a r,\n}\n"},
		{"the place in a child", "profile LIBVIRT_TEMPLATE {\n  profile c {\n    include if exists <libvirt/LIBVIRT_TEMPLATE.files>\n  }\n}\n",
			"profile libvirt-U {\n  profile c {\n    include if exists <libvirt/libvirt-U.files>\n  }\n}\n"},
		{"a child of the name", "profile LIBVIRT_TEMPLATE {\n  profile LIBVIRT_TEMPLATE {\n}\n}\n",
			"profile libvirt-U {\n  profile libvirt-U {\n}\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"another profile after it", "profile LIBVIRT_TEMPLATE {\n}\nprofile x {\n  signal peer=LIBVIRT_TEMPLATE,\n}\n",
			"profile libvirt-U {\n\n  include if exists <libvirt/libvirt-U.files>\n}\nprofile x {\n  signal peer=libvirt-U,\n}\n"},
		{"a longer word", "profile LIBVIRT_TEMPLATE {\n  signal peer=LIBVIRT_TEMPLATES,\n}\n", ""},
		{"a longer word before", "profile LIBVIRT_TEMPLATE {\n  /srv/MY_LIBVIRT_MACHINE r,\n}\n", ""},
		{"an escaped label", "profile LIBVIRT_TEMPLATE {\n  signal peer=\"LIBVIRT\\137TEMPLATE\",\n}\n", ""},
		{"an escaped path", "profile LIBVIRT_TEMPLATE {\n  /srv/LIBVIRT\\_MACHINE r,\n}\n", ""},
		{"an include at the end", "profile LIBVIRT_TEMPLATE { }\ninclude if exists <libvirt/LIBVIRT_TEMPLATE.files>", ""},
		{"a comment", "profile LIBVIRT_TEMPLATE {\n  /a r, # LIBVIRT_TEMPLATE\n}\n", "profile libvirt-U {\n  /a r, # LIBVIRT_TEMPLATE\n\n  include if exists <libvirt/libvirt-U.files>\n}\n"},
		{"broken", "profile LIBVIRT_TEMPLATE {\n", ""},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tmpl, err := svirt.ParseTemplate(ctx, "t", test.text)
			var p *svirt.MachineProfile
			if err == nil {
				if tmpl.Text() != test.text {
					t.Errorf("the template's text is %q", tmpl.Text())
				}
				p, err = tmpl.Instantiate(ctx, uuid, true)
			}
			if test.want == "" {
				var fe *svirt.FileError
				if !errors.As(err, &fe) || p != nil {
					t.Errorf("got %v, %v", p, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(test.want, "libvirt-U", "libvirt-"+uuid); p.Text() != want {
				t.Errorf("got %q, want %q", p.Text(), want)
			}
			if p.UUID() != uuid || p.Name() != "libvirt/libvirt-"+uuid || !p.HasFiles() || string(p.Profile().Name) != "libvirt-"+uuid {
				t.Errorf("got %q, %q, %v, %q", p.UUID(), p.Name(), p.HasFiles(), p.Profile().Name)
			}
			back, err := svirt.ParseMachineProfile(ctx, uuid, p.Text())
			if err != nil || back.Text() != p.Text() || !tmpl.Made(back, true) || tmpl.Made(back, false) {
				t.Errorf("it is not read back: %v", err)
			}
			edited, err := svirt.ParseMachineProfile(ctx, uuid, p.Text()+"# mine\n")
			if err != nil || tmpl.Made(edited, true) {
				t.Errorf("an edited profile counts as made: %v", err)
			}
		})
	}
	tmpl, err := svirt.ParseTemplate(ctx, "t", "profile LIBVIRT_TEMPLATE {\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := tmpl.Instantiate(ctx, uuid, false); err != nil || p.HasFiles() || len(p.Includes()) != 0 || !tmpl.Made(p, false) {
		t.Errorf("without rules: %v, %v", p, err)
	}
	var ie *svirt.IdentityError
	if _, err := tmpl.Instantiate(ctx, "x", true); !errors.As(err, &ie) {
		t.Errorf("a bad UUID: %v", err)
	}
}
