// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Options are words, not patterns.
func mountPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.MountRule)
	for i := range s.Conds {
		cond := &s.Conds[i]
		kind := variables
		if cond.Options {
			kind = 0
		}
		for j := range cond.Values {
			list = append(list, pattern{&cond.Values[j], kind})
		}
	}
	return append(list,
		pattern{&s.Source, variables | slashes},
		pattern{&s.Target, variables | slashes},
	)
}

// unknownUmountOptions returns the problems of options of a umount rule. They
// mean nothing, and text may name any, but the reference refuses unknown ones.
func unknownUmountOptions(s *ast.MountRule) (found []problem) {
	if s.Op != ast.OpUmount {
		return nil
	}
	for i := range s.Conds {
		if !s.Conds[i].Options {
			continue
		}
		for _, v := range s.Conds[i].Values {
			if option := string(v); !ast.MountFlags().Has(option) {
				found = append(found, problem{code: diag.CodeMountFlag, text: option, msg: "unknown mount option " + strconv.Quote(option)})
			}
		}
	}
	return found
}
