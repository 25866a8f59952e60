// SPDX-License-Identifier: Apache-2.0

package query

import (
	"iter"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// usernsCreate is the permission of the class, which has its own bits.
const usernsCreate Perms = 1 << 3

// Userns asks to create a user namespace.
type Userns struct{}

// String implements fmt.Stringer.
func (Userns) String() string { return "userns create" }

func (Userns) texts() iter.Seq2[textKind, string] { return texts(textAny) }

func (r Userns) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassNamespaces, nil, usernsCreate).in(wordsUserns), nil
}

var usernsGrammar = sync.OnceValue(func() grammar { return newGrammar(ends(usernsCreate)) })

func onUserns([]byte, Perms, bool) []Request { return []Request{Userns{}} }
