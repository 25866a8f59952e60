// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

func TestAdd(t *testing.T) {
	p := &Profile{Name: "vm"}
	disk, err := ast.Literal("/srv/a disk{1}.img")
	if err != nil {
		t.Fatal(err)
	}
	rules := []ast.Rule{
		&ast.FileRule{Path: disk, Perms: ast.FileRead | ast.FileWrite},
		&ast.RlimitRule{Name: "nofile", Value: "64"},
		&ast.CapabilityRule{Names: []string{"net_admin"}},
	}
	if err := p.Add(rules...); err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) != 2 || len(p.Rlimits) != 1 || p.Rules[0].Rule != rules[0] {
		t.Errorf("profile holds %v and %v", p.Rules, p.Rlimits)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
	for name, bad := range map[string]ast.Rule{
		"nil":                nil,
		"empty path":         &ast.FileRule{Perms: ast.FileRead},
		"no permissions":     &ast.FileRule{Path: "/a"},
		"w and a":            &ast.FileRule{Path: "/a", Perms: ast.FileWrite | ast.FileAppend},
		"x without deny":     &ast.FileRule{Path: "/a", Exec: ast.ExecDeny},
		"NUL":                &ast.FileRule{Path: "/a\x00b", Perms: ast.FileRead},
		"variable":           &ast.FileRule{Path: "/@{V}", Perms: ast.FileRead},
		"unknown capability": &ast.CapabilityRule{Names: []string{"fly"}},
		"owner":              &ast.SignalRule{Qualifiers: ast.Qualifiers{Owner: ast.OnlyOwner}},
		"priority":           &ast.FileRule{Path: "/a", Perms: ast.FileRead, Qualifiers: ast.Qualifiers{Priority: 1001}},
		"rlimit":             &ast.RlimitRule{Name: "nofile", Value: "many"},
	} {
		before := len(p.Rules)
		err := p.Add(&ast.UsernsRule{}, bad)
		if _, ok := errors.AsType[*diag.Diagnostic](err); !ok {
			t.Errorf("%s: error is %T %v", name, err, err)
		}
		if len(p.Rules) != before {
			t.Errorf("%s: rules were added all the same", name)
		}
	}
}

func TestClone(t *testing.T) {
	s, err := resolveFile(Options{}, &ast.Profile{
		Name: "t", Attachment: "/t", Flags: []ast.Flag{{Name: "complain"}}, Xattrs: []ast.Xattr{{Name: "user.a"}},
		Body: []ast.Stmt{
			&ast.FileRule{Path: "/a", Perms: ast.FileRead},
			&ast.MountRule{Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro"}}}},
			&ast.RlimitRule{Name: "as", Value: "1"},
			&ast.Profile{Kind: ast.KindHat, Name: "h", Body: []ast.Stmt{&ast.SignalRule{Signals: []string{"hup"}}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Profiles[0]
	c, again := p.Clone(), p.Clone()
	opts := cmp.Options{cmpopts.IgnoreFields(Profile{}, "Parent", "Origin", "ABI"), cmpopts.IgnoreFields(Rule{}, "Origin"), cmpopts.IgnoreFields(Rlimit{}, "Origin")}
	if diff := cmp.Diff(p, c, opts); diff != "" {
		t.Errorf("clone differs: %s", diff)
	}
	c.Rules[0].Quals().Audit = true
	c.Rules[1].Rule.(*ast.MountRule).Conds[0].Values[0] = "rw"
	c.Children[0].Rules[0].Rule.(*ast.SignalRule).Signals[0] = "int"
	c.Xattrs[0].Name = "user.b"
	c.Rlimits[0].Value = 2
	if diff := cmp.Diff(again, p, opts); diff != "" {
		t.Errorf("changing the clone changed the original: %s", diff)
	}
	if c.Children[0].Parent != c || c.Parent != nil {
		t.Error("children of the clone have another parent")
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestNewSet(t *testing.T) {
	b := &Profile{Name: "b"}
	b.Children = []*Profile{{Name: "b//z", Parent: b}, {Name: "b//y", Parent: b, Hat: true}}
	s, err := NewSet(&Profile{Name: "a", Namespace: "n"}, b, &Profile{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range s.Profiles {
		names = append(names, p.FullName())
	}
	if diff := cmp.Diff([]string{"a", "b", "b//y", "b//z", ":n://a"}, names); diff != "" {
		t.Error(diff)
	}
	if s.Lookup("n", "a") == nil || s.Lookup("", "b//y") != b.Children[0] || s.Lookup("n", "b") != nil {
		t.Error("Lookup finds the wrong profiles")
	}
}

func TestValidate(t *testing.T) {
	child := &Profile{Name: "other//c"}
	parent := &Profile{Name: "t", Children: []*Profile{child}}
	child.Parent = parent
	withHat := &Profile{Name: "t"}
	withHat.Children = []*Profile{{Name: "t//h", Parent: withHat, Hat: true, Xattrs: []Xattr{{Name: "user.a"}}}}
	px := &ast.FileRule{Path: "/a", Exec: ast.ExecProfile}
	ix := &ast.FileRule{Path: "/a", Exec: ast.ExecInherit}
	for name, tt := range map[string]struct {
		p    *Profile
		code diag.Code
	}{
		"no name":      {&Profile{}, diag.CodeName},
		"stack":        {&Profile{Name: "&t"}, diag.CodeName},
		"child's name": {parent, diag.CodeName},
		"orphan":       {&Profile{Name: "t", Children: []*Profile{{Name: "t//c"}}}, diag.CodeName},
		"namespace":    {&Profile{Name: "t", Namespace: "a:b"}, diag.CodeName},
		"mode":         {&Profile{Name: "t", Flags: Flags{Mode: 6}}, diag.CodeFlag},
		"disconnected": {&Profile{Name: "t", Flags: Flags{DisconnectedPath: "x"}}, diag.CodeFlag},
		"signal":       {&Profile{Name: "t", Flags: Flags{KillSignal: "9"}}, diag.CodeFlag},
		"error":        {&Profile{Name: "t", Flags: Flags{Error: "eperm"}}, diag.CodeFlag},
		"hat's xattr":  {withHat, diag.CodeXattr},
		"rlimit":       {&Profile{Name: "t", Rlimits: []Rlimit{{Name: "ofile"}}}, diag.CodeRlimit},
		"rlimit rule":  {&Profile{Name: "t", Rules: []Rule{{Rule: &ast.RlimitRule{Name: "as", Value: "1"}}}}, diag.CodeRlimit},
		"nil rule":     {&Profile{Name: "t", Rules: []Rule{{}}}, diag.CodeRule},
		"conflict":     {&Profile{Name: "t", Rules: []Rule{{Rule: px}, {Rule: ix}}}, diag.CodeExecConflict},
	} {
		err := tt.p.Validate()
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
		if _, err := NewSet(tt.p); err == nil {
			t.Errorf("%s: NewSet accepts it", name)
		}
	}
	if _, err := NewSet(&Profile{Name: "t"}, &Profile{Name: "t"}); err == nil {
		t.Error("NewSet accepts two profiles with one name")
	}
}

// TestValidateQuotes has names in messages: what a terminal takes as a command must
// not get there as it is.
func TestValidateQuotes(t *testing.T) {
	const evil = "x\x1b[2J"
	for name, p := range map[string]*Profile{
		"signal":   {Name: "t", Flags: Flags{KillSignal: evil}},
		"error":    {Name: "t", Flags: Flags{Error: evil}},
		"resource": {Name: "t", Rlimits: []Rlimit{{Name: evil}}},
	} {
		d, ok := errors.AsType[*diag.Diagnostic](p.Validate())
		if !ok || d.Text != evil || !strings.HasSuffix(d.Message, strconv.Quote(evil)) {
			t.Errorf("%s: %#v", name, d)
		}
	}
}

// TestAddCapability adds a capability that only the abi of the profile knows.
func TestAddCapability(t *testing.T) {
	abi, err := features.Parse([]byte("caps {mask {chown brand_new}}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]bool{"chown": {true, true}, "brand_new": {true, false}, "nothing": {false, false}} {
		for i, p := range []*Profile{{Name: "vm", ABI: abi}, {Name: "vm"}} {
			err := p.Add(&ast.CapabilityRule{Names: []string{name}})
			if (err == nil) != want[i] || (len(p.Rules) == 1) != want[i] {
				t.Errorf("%s, abi %v: %v, %d rules", name, p.ABI != nil, err, len(p.Rules))
			}
			var d *diag.Diagnostic
			if err != nil && (!errors.As(err, &d) || d.Code != diag.CodeCapability || d.Message != `unknown capability "`+name+`"`) {
				t.Errorf("%s: %#v", name, err)
			}
		}
	}
}
