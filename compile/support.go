// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// support is what one profile can use: what the kernel enforces and the
// policy's ABI knows.
type support struct {
	kernel *features.Set
	abi    *features.Set // nil: everything
}

// has reports whether a feature takes effect.
func (s *support) has(path string) bool { return s.kernel.Supports(path) && s.abiHas(path) }

func (s *support) abiHas(path string) bool { return s.abi == nil || s.abi.Supports(path) }

// form is how automata are written for a kernel.
type form struct {
	// table selects permission tables, which can also hold prompt permissions.
	// Tables of version 1 are unusable: the kernels that have them read the
	// entry for others without checking where the table ends.
	table bool
	// wide allows 32-bit state numbers, diff differentially encoded states.
	wide, diff bool
}

const (
	usablePermTable  = features.PermTableVer + "/2"
	filePermsVersion = 3 // the permsv member that has pairs of entries
)

func formOf(kernel *features.Set) form {
	table := kernel.PermTableVersion() >= blob.UsablePermTables
	return form{
		table: table,
		wide:  table && kernel.Supports(features.State32),
		diff:  table && kernel.DiffEncode(),
	}
}

// promptMode reports whether a profile may be in mode prompt. Kernels have no
// feature for it.
func promptMode(kernel *features.Set) bool { return blob.LimitsOf(kernel).Prompt }
