// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"sync"

	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// memories has what automata were made in, for the next ones: it is most of what a
// compile allocates. The collector empties it.
var memories sync.Pool

// maxMemory is how large memory may be, in bytes, that is kept.
const maxMemory = 4 << 20

func takeMemory() *automaton.Memory {
	if m, ok := memories.Get().(*automaton.Memory); ok {
		return m
	}
	return new(automaton.Memory)
}

// freeMemory gives memory back, in which nothing of the policy stays.
func freeMemory(m *automaton.Memory) {
	if m.Size() > maxMemory {
		return
	}
	m.Forget()
	memories.Put(m)
}
