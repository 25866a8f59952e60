// SPDX-License-Identifier: Apache-2.0

package expect

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/policyfiles"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// requests are the requests of a statement, for one kernel.
type requests struct {
	*policyfiles.Requests                 // nil for resource limits
	single                []query.Request // of resource limits
	mayPerms, denyPerms   query.Perms
}

// ruleLine is the line of the text of a rule that has its own columns.
const ruleLine = 3

// ruleText is the policy that allows the requests of a rule and no others.
func ruleText(r request) string { return "abi <kernel>,\nprofile x {\n" + r.rule + ",\n}\n" }

// parseRule parses the rule of a request.
func parseRule(r request) (*ast.Unit, error) {
	unit, err := parser.Config{Limits: parser.Untrusted()}.ParseTree(context.Background(), "", ruleText(r))
	if err != nil {
		return nil, err
	}
	// A text such as "capability kill, /** rw" has more than one.
	if len(unit.Main.Stmts) != 2 {
		return nil, unexpectedRule(r)
	}
	p, ok := unit.Main.Stmts[1].(*ast.Profile)
	if !ok || len(p.Body) != 1 {
		return nil, unexpectedRule(r)
	}
	rule, ok := p.Body[0].(ast.Rule)
	if !ok || rule.Class() != r.class || rule.Quals().Access != ast.Allow || rule.Quals().Audit {
		return nil, unexpectedRule(r)
	}
	return unit, nil
}

// checkRule parses the rule of a request and checks what depends on no kernel.
func checkRule(r request) error {
	unit, err := parseRule(r)
	if err != nil {
		return err
	}
	kernel, _ := features.Kernel(DefaultKernel)
	set, err := policy.Resolve(context.Background(), unit, policy.Options{Kernel: kernel, Limits: policy.Untrusted()})
	if err != nil {
		return err
	}
	for _, rule := range set.Profiles[0].Rules {
		if c, ok := rule.Rule.(*ast.ChangeProfileRule); ok && c.Exec != "" {
			return errors.New("change_profile cannot be checked for one executable; leave its path out")
		}
	}
	return nil
}

// filePermissions are the permissions that a word is about: for "may", what a
// rule of that word gives, and for "must deny", what must not pass.
var filePermissions = []struct {
	word      filePerms
	may, deny query.Perms
}{
	{fileRead, policyfiles.Reading | query.MayOpen, policyfiles.Reading},
	{fileWrite, policyfiles.Writing | query.MayOpen, policyfiles.Writing | query.Rename},
	{fileAppend, policyfiles.Appending | query.MayOpen, policyfiles.Appending},
	{fileExec, query.Exec, query.Exec},
	{fileMmap, query.Mmap, query.Mmap},
	{fileLock, query.Lock, query.Lock},
}

// requests compiles the requests of a statement.
func (c *checker) requests(ctx context.Context, r request) (*requests, error) {
	unit, err := parseRule(r)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: c.set, Limits: policy.Untrusted()})
	if err != nil {
		return nil, err
	}
	out := &requests{mayPerms: ^query.Perms(0), denyPerms: ^query.Perms(0)}
	if r.class == ast.ClassRlimit {
		for _, l := range set.Profiles[0].Rlimits {
			out.single = append(out.single, query.Rlimit{Resource: l.Name, Value: l.Value})
		}
		return out, nil
	}
	if out.Requests, err = policyfiles.RequestsOf(ctx, set, r.class, c.set); err != nil {
		return nil, err
	}
	switch r.class {
	case ast.ClassFile:
		out.mayPerms, out.denyPerms = 0, 0
		for _, f := range filePermissions {
			if r.files&f.word != 0 {
				out.mayPerms |= f.may
				out.denyPerms |= f.deny
			}
		}
	case ast.ClassLink:
		out.mayPerms, out.denyPerms = policyfiles.Linking, policyfiles.Linking
	case ast.ClassChangeProfile:
		out.mayPerms, out.denyPerms = policyfiles.Changing, policyfiles.Changing
	}
	for i := range out.Sets {
		out.Sets[i].Exec = r.as
	}
	return out, nil
}

// unexpectedRule says that a request is not one rule of its class.
func unexpectedRule(r request) error {
	if r.class == ast.ClassFile {
		return errors.New("the request is not one path with permissions")
	}
	return fmt.Errorf("the request is not one %v rule without qualifiers", r.class)
}
