// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// problem is what is wrong with a rule, without a place.
type problem struct {
	code diag.Code
	text string
	msg  string
	hint string
}

// checkRule reports what makes a rule invalid by itself.
func (r *resolver) checkRule(s ast.Rule, o Origin) {
	c := &r.checker
	c.found = c.found[:0]
	c.check(s)
	for _, p := range c.found {
		text := p.text
		if text == "" && o.File != nil {
			text = o.File.Text(s)
		}
		r.errorf(o, p.code, text, "%s", p.msg).Hint = p.hint
	}
}

// knownCapability reports whether a kernel or policy ABI adds a capability to
// those that everyone knows.
func (r *resolver) knownCapability(name string) bool {
	const mask = "caps/mask/"
	return r.opts.Kernel.Supports(mask+name) || r.opts.Default.Supports(mask+name) || r.abi.Supports(mask+name)
}

// ruleChecker collects what is wrong with a rule.
type ruleChecker struct {
	cap func(string) bool // capabilities beyond the usual ones; may be nil
	// resolved says that variables have been expanded, so that a pattern may
	// begin with the brace of their alternation.
	resolved bool
	found    []problem
}

func (c *ruleChecker) fail(code diag.Code, text, format string, args ...any) {
	c.found = append(c.found, problem{code: code, text: text, msg: fmt.Sprintf(format, args...)})
}

// hint adds to the latest failure what was probably meant.
func (c *ruleChecker) hint(v ast.Vocabulary, word string) {
	if near, ok := v.Nearest(word); ok {
		c.found[len(c.found)-1].hint = "did you mean " + near + "?"
	}
}

func (c *ruleChecker) check(rule ast.Rule) {
	c.qualifiers(rule)
	switch s := rule.(type) {
	case *ast.FileRule:
		c.file(s)
	case *ast.LinkRule:
		if s.From == "" || s.To == "" {
			c.fail(diag.CodeRule, "", "a link rule needs both paths")
		}
	case *ast.CapabilityRule:
		for _, name := range s.Names {
			if !ast.Capabilities().Has(name) && (c.cap == nil || !c.cap(name)) {
				c.fail(diag.CodeRule, name, "unknown capability")
				c.hint(ast.Capabilities(), name)
			}
		}
	case *ast.NetworkRule:
		c.network(s)
	case *ast.UnixRule:
		c.unix(s)
	case *ast.DBusRule:
		c.dbus(s)
	case *ast.SignalRule:
		for _, name := range s.Signals {
			if !ast.IsSignal(name) {
				c.fail(diag.CodeRule, name, "unknown signal")
				c.hint(ast.Signals(), name)
			}
		}
	case *ast.MountRule:
		c.mount(s)
	case *ast.ChangeProfileRule:
		c.changeProfile(s)
	case *ast.RlimitRule:
		if _, err := ParseRlimit(s); err != nil {
			c.fail(diag.CodeRlimit, s.Value, "rlimit %s: %v", s.Name, err)
			if !ast.Rlimits().Has(s.Name) {
				c.hint(ast.Rlimits(), s.Name)
			}
		}
	case *ast.MqueueRule:
		c.mqueue(s)
	}
}

// qualifiers checks what a rule type cannot have in front of it.
func (c *ruleChecker) qualifiers(rule ast.Rule) {
	q := rule.Quals()
	if q.Priority < -1000 || q.Priority > 1000 {
		c.fail(diag.CodeQualifier, strconv.Itoa(int(q.Priority)), "priority is not within -1000 and 1000")
	}
	switch rule.(type) {
	case *ast.FileRule, *ast.LinkRule:
		return
	case *ast.NetworkRule, *ast.AllRule:
		if q.Priority != 0 {
			c.fail(diag.CodeQualifier, "priority", "this rule cannot have a priority")
		}
	case *ast.RlimitRule:
		if *q != (ast.Qualifiers{}) {
			c.fail(diag.CodeQualifier, "", "a set rlimit rule cannot have qualifiers")
		}
		return
	}
	if q.Owner != ast.AnyOwner {
		c.fail(diag.CodeQualifier, "", "owner and other are for file and link rules")
	}
}

func (c *ruleChecker) file(s *ast.FileRule) {
	deny := s.Access == ast.Deny
	switch {
	case s.All:
		if deny {
			c.fail(diag.CodeRule, "", "file, holds ix, and a deny rule can only have x without a mode of execution")
			c.found[len(c.found)-1].hint = "deny all, denies everything"
		}
		return
	case s.Path == "":
		c.fail(diag.CodeRule, "", "a file rule needs a path")
	case s.Perms == 0 && s.Exec == ast.ExecNone:
		c.fail(diag.CodeRule, "", "a file rule needs permissions")
	}
	if s.Perms&ast.FileWrite != 0 && s.Perms&ast.FileAppend != 0 {
		c.fail(diag.CodeRule, "", "w and a exclude each other in one rule")
	}
	switch {
	case s.Exec == ast.ExecDeny && !deny:
		c.fail(diag.CodeRule, "", "x needs a mode of execution, such as ix or px")
	case deny && s.Exec > ast.ExecDeny:
		c.fail(diag.CodeRule, "", "a deny rule can only have x, without a mode of execution")
	case s.Scrub && s.Exec == ast.ExecNone:
		c.fail(diag.CodeRule, "", "safe needs permission to execute")
	}
	if s.Link != "" && s.Perms&ast.FileLink == 0 {
		c.fail(diag.CodeRule, "", "the target of a link needs the permission l")
	}
}

func (c *ruleChecker) network(s *ast.NetworkRule) {
	if s.Family != "" && !ast.Families().Has(s.Family) {
		c.fail(diag.CodeRule, s.Family, "unknown address family")
		c.hint(ast.Families(), s.Family)
	}
	if s.Type != "" && !ast.NetTypes().Has(s.Type) {
		c.fail(diag.CodeRule, s.Type, "unknown type of socket")
		c.hint(ast.NetTypes(), s.Type)
	}
	switch inet := s.Family == "" || s.Family == "inet" || s.Family == "inet6"; {
	case s.Protocol == "":
	case s.Type != "":
		c.fail(diag.CodeRule, s.Protocol, "a network rule has a type or a protocol, not both")
	case !ast.NetProtocols().Has(s.Protocol):
		c.fail(diag.CodeRule, s.Protocol, "unknown protocol")
		c.hint(ast.NetProtocols(), s.Protocol)
	case !inet, s.Protocol == "icmp" && s.Family == "inet6":
		c.fail(diag.CodeRule, s.Family+" "+s.Protocol, "address family without this protocol")
	}
	c.netEnd(&s.Local)
	c.netEnd(&s.Peer)
	if s.Peer.Interface != "" {
		c.fail(diag.CodeRule, string(s.Peer.Interface), "an interface is local and not the peer's")
	}
	some := s.Local != ast.NetEnd{} || s.Peer != ast.NetEnd{}
	if some && s.Family != "" && s.Family != "inet" && s.Family != "inet6" {
		c.fail(diag.CodeRule, s.Family, "only inet and inet6 have addresses, ports, interfaces and labels")
	}
	if (s.Peer.IP != "" || s.Peer.Port != "") && s.Perms&ast.NetPeerless != 0 {
		c.fail(diag.CodeRule, (s.Perms & ast.NetPeerless).String(), "permissions that know no peer")
	}
}

func (c *ruleChecker) netEnd(e *ast.NetEnd) {
	if e.IP != "" && e.IP != "none" {
		if _, ok := ast.ParseIP(e.IP); !ok {
			c.fail(diag.CodeRule, e.IP, "ip is neither an address nor none")
		}
	}
	if e.Port != "" {
		if _, _, ok := ast.ParsePorts(e.Port); !ok {
			c.fail(diag.CodeRule, e.Port, "port is neither a number up to 65535 nor a range of them")
		}
	}
}

func (c *ruleChecker) unix(s *ast.UnixRule) {
	if s.Type != "" && !ast.UnixTypes().Has(s.Type) {
		c.fail(diag.CodeRule, s.Type, "unknown type of socket")
		c.hint(ast.UnixTypes(), s.Type)
	}
	for _, a := range [...]ast.Pattern{s.Local.Addr, s.Peer.Addr} {
		if a != "" && a[0] != '@' && a != "none" && a != "auto" && !(c.resolved && a[0] == '{') {
			c.fail(diag.CodeRule, string(a), "address of a socket that is not @name, none or auto")
		}
	}
	if s.Local.Label != "" {
		c.fail(diag.CodeRule, string(s.Local.Label), "a label is the peer's")
	}
	if s.Peer != (ast.UnixEnd{}) && s.Perms&ast.NetPeerless != 0 {
		c.fail(diag.CodeRule, (s.Perms & ast.NetPeerless).String(), "permissions that know no peer")
	}
}

func (c *ruleChecker) dbus(s *ast.DBusRule) {
	message := s.Path != "" || s.Interface != "" || s.Member != "" || s.PeerName != "" || s.PeerLabel != ""
	service := s.Name != ""
	switch {
	case message && service:
		c.fail(diag.CodeRule, string(s.Name), "name is of services, the other conditions are of messages")
	case service && s.Perms&(ast.DBusSend|ast.DBusReceive) != 0:
		c.fail(diag.CodeRule, s.Perms.String(), "send and receive do not go with the name of a service")
	case message && s.Perms&ast.DBusBind != 0:
		c.fail(diag.CodeRule, s.Perms.String(), "bind does not go with conditions of messages")
	case (message || service) && s.Perms&ast.DBusEavesdrop != 0:
		c.fail(diag.CodeRule, s.Perms.String(), "eavesdrop takes no condition but bus")
	}
}

func (c *ruleChecker) mount(s *ast.MountRule) {
	for i := range s.Conds {
		cond := &s.Conds[i]
		if !cond.Options {
			continue
		}
		for _, v := range cond.Values {
			if !ast.MountFlags().Has(string(v)) {
				c.fail(diag.CodeRule, string(v), "unknown mount option")
				c.hint(ast.MountFlags(), string(v))
			}
		}
	}
	if s.Op != ast.OpMount && s.Source != "" {
		c.fail(diag.CodeRule, string(s.Source), "only mount takes a source")
	}
}

func (c *ruleChecker) changeProfile(s *ast.ChangeProfileRule) {
	switch e := string(s.Exec); {
	case e == "" && s.Safety != ast.SafetyDefault:
		c.fail(diag.CodeRule, "", "safe and unsafe need the path of a program")
	case e != "" && e[0] != '/' && !(c.resolved && e[0] == '{') && !strings.HasPrefix(e, "@{"):
		c.fail(diag.CodeRule, e, "the program of a change_profile rule is a path")
	}
}

func (c *ruleChecker) mqueue(s *ast.MqueueRule) {
	if s.Type != "" && !ast.MqueueTypes().Has(s.Type) {
		c.fail(diag.CodeRule, s.Type, "unknown type of message queue")
		c.hint(ast.MqueueTypes(), s.Type)
		return
	}
	if s.Name == "" {
		return
	}
	switch posix, key := s.Name[0] == '/', isNumber(string(s.Name)) && s.Name[0] != '-' && s.Name[0] != '+'; {
	case !posix && !key:
		c.fail(diag.CodeRule, string(s.Name), "name of a message queue that is neither a path nor a number")
	case s.Type == "posix" && !posix:
		c.fail(diag.CodeRule, string(s.Name), "a posix message queue is named by a path")
	case s.Type == "sysv" && !key:
		c.fail(diag.CodeRule, string(s.Name), "a sysv message queue is named by a number")
	}
}
