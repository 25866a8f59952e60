// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/query"
)

// pair is a type of requests and a type of rules about it.
type pair func(ast.Rule, query.Request, query.Perms) (near, bool)

// near is how close a rule comes to granting what a request lacks.
type near struct {
	// grants is set if the rule would grant it were it about the same object.
	grants bool
	// path and pattern are those of the request and of the rule, if they have
	// one.
	path    string
	pattern ast.Pattern
}

// pairs are all of them. A capability or resource limit is either named or
// not, and attachments, hats and all are not rules that could be meant
// instead: none of them is ever near.
var pairs = [...]pair{
	of(func(rule *ast.FileRule, r query.File, p query.Perms) near { return onFile(rule, r.Path, p) }),
	of(func(rule *ast.FileRule, r query.Execute, p query.Perms) near { return onFile(rule, r.Path, p) }),
	of(func(rule *ast.FileRule, r query.Link, p query.Perms) near { return onFile(rule, r.Path, p) }),
	of(func(rule *ast.LinkRule, r query.Link, _ query.Perms) near { return near{true, r.Path, rule.From} }),
	of(always[*ast.ChangeProfileRule, query.ChangeProfile]),
	of(always[*ast.NetworkRule, query.Network]),
	of(always[*ast.UnixRule, query.Unix]),
	of(always[*ast.NetworkRule, query.Unix]),
	of(always[*ast.DBusRule, query.DBus]),
	of(always[*ast.SignalRule, query.Signal]),
	of(always[*ast.PtraceRule, query.Ptrace]),
	of(func(rule *ast.MountRule, r query.Mount, _ query.Perms) near {
		return near{rule.Op != ast.OpUmount && rule.Target != "", r.Target, rule.Target}
	}),
	of(func(rule *ast.MountRule, r query.Umount, _ query.Perms) near {
		return near{rule.Op == ast.OpUmount && rule.Target != "", r.Target, rule.Target}
	}),
	of(always[*ast.PivotRootRule, query.PivotRoot]),
	of(always[*ast.MqueueRule, query.Mqueue]),
	of(always[*ast.IOUringRule, query.IOUring]),
	of(always[*ast.UsernsRule, query.Userns]),
}

// of is the pair of the types of its argument.
func of[R ast.Rule, Q query.Request](how func(R, Q, query.Perms) near) pair {
	return func(rule ast.Rule, r query.Request, missing query.Perms) (near, bool) {
		typed, ok := rule.(R)
		asked, on := r.(Q)
		if !ok || !on {
			return near{}, false
		}
		return how(typed, asked, missing), true
	}
}

// always is for rules without a path: each of them might have been meant.
func always[R ast.Rule, Q query.Request](R, Q, query.Perms) near { return near{grants: true} }

func onFile(rule *ast.FileRule, path string, missing query.Perms) near {
	return near{!rule.All && gives(rule, missing), path, rule.Path}
}

// nearOf returns how close a rule comes to a request; ok is false if the rule
// is of another class.
func nearOf(rule ast.Rule, r query.Request, missing query.Perms) (n near, ok bool) {
	for _, p := range pairs {
		if n, ok := p(rule, r, missing); ok {
			return n, true
		}
	}
	return near{}, false
}
