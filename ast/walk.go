// SPDX-License-Identifier: Apache-2.0

package ast

import "iter"

// Walk visits n and what is below it, depth first, in the order of the text:
// f is called with a node before its children, and these are left out when it
// returns false. The items of xattrs, flags and mount conditions are nodes,
// given as pointers into their lists. Nil nodes are not visited.
func Walk(n Node, f func(Node) bool) {
	walker(func(n Node) (bool, bool) { return f(n), true }).node(n)
}

// All returns an iterator over n and everything below it, in the order of
// Walk.
func All(n Node) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		walker(func(n Node) (bool, bool) {
			more := yield(n)
			return more, more
		}).node(n)
	}
}

// walker is called with every node. It reports whether to go below the node
// and whether to go on at all; its methods report the latter.
type walker func(Node) (descend, more bool)

func (w walker) node(n Node) bool {
	if IsNil(n) {
		return true
	}
	if descend, more := w(n); !descend {
		return more
	}
	switch n := n.(type) {
	case *File:
		return w.stmts(n.Stmts)
	case *Profile:
		for i := range n.Xattrs {
			if !w.node(&n.Xattrs[i]) {
				return false
			}
		}
		for i := range n.Flags {
			if !w.node(&n.Flags[i]) {
				return false
			}
		}
		return w.stmts(n.Body)
	case *Block:
		return w.stmts(n.Body)
	case *If:
		return w.node(n.Cond) && w.stmts(n.Then) && w.stmts(n.Else)
	case *BoolAssign:
		return w.node(n.Value)
	case *MountRule:
		for i := range n.Conds {
			if !w.node(&n.Conds[i]) {
				return false
			}
		}
	case *BinaryExpr:
		return w.node(n.X) && w.node(n.Y)
	case *NotExpr:
		return w.node(n.X)
	case *ParenExpr:
		return w.node(n.X)
	}
	return true
}

func (w walker) stmts(list []Stmt) bool {
	for _, s := range list {
		if !w.node(s) {
			return false
		}
	}
	return true
}

// ProfileNames returns the full names of the profiles of f, in the order of
// the text: children and hats as parent//child, a namespace as the prefix
// `:ns://`. Profiles inside conditionals and blocks are listed too. Names are
// patterns, so a variable in one shows as written.
func ProfileNames(f *File) []string {
	if f == nil {
		return nil
	}
	return profileNames(nil, "", f.Stmts)
}

func profileNames(names []string, parent string, list []Stmt) []string {
	for _, s := range list {
		if IsNil(s) {
			continue
		}
		switch s := s.(type) {
		case *Profile:
			name := string(s.Name)
			switch {
			case parent != "":
				name = parent + "//" + name
			case s.Namespace != "":
				name = ":" + s.Namespace + "://" + name
			}
			names = append(names, name)
			names = profileNames(names, name, s.Body)
		case *Block:
			names = profileNames(names, parent, s.Body)
		case *If:
			names = profileNames(names, parent, s.Then)
			names = profileNames(names, parent, s.Else)
		}
	}
	return names
}
