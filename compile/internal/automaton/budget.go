// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"math"

	"github.com/goarmor/apparmor/diag"
)

// Limits bound what a Budget has. Zero fields are without limit.
type Limits struct {
	Work   int64 // steps, of a few nanoseconds each
	States int   // states before minimisation, of all automata together
	Memory int64 // bytes of the heap, with what waits to be collected
}

// What the limits are called in errors.
const (
	WhatWork   = "work to compile the policy"
	WhatStates = "states of all automata"
	WhatMemory = "bytes of memory to compile the policy"
)

// Budget is what a request may take, and what it has taken. Whoever works for
// the request says so as the work goes on, and stops when the budget is used up
// or the context is done: from then on everything is refused.
//
// It counts steps and elements, not time and not what the allocator does, so
// that the same input always gets equally far. It is not safe for concurrent
// use.
type Budget struct {
	ctx    context.Context
	limits Limits
	work   int64
	next   int64 // the work at which ctx and the limit are looked at again
	states int
	held   int64 // bytes that stay
	peak   int64
	err    error

	observe func(need int64) // of tests: called with every need of memory
}

// pollWork is how much work is done between two looks at the context.
const pollWork = 1 << 16

// NewBudget returns a budget for one request.
func NewBudget(ctx context.Context, l Limits) *Budget {
	b := &Budget{}
	b.Reset(ctx, l)
	return b
}

// Reset makes b the budget of another request.
func (b *Budget) Reset(ctx context.Context, l Limits) {
	*b = Budget{ctx: ctx, limits: l, observe: b.observe}
	b.poll()
}

// Spend counts work and reports whether to go on.
func (b *Budget) Spend(n int) bool {
	b.work += int64(n)
	return b.work < b.next || b.poll()
}

// poll looks at the limit of work and at the context.
func (b *Budget) poll() bool {
	if b.err != nil {
		return false
	}
	if l := b.limits.Work; l > 0 && b.work > l {
		b.err = &diag.LimitError{What: WhatWork, Limit: l, Got: b.work}
		return false
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return false
	}
	b.next = b.work + pollWork
	if l := b.limits.Work; l > 0 {
		b.next = min(b.next, l+1)
	}
	return true
}

// Err returns why the work was stopped, nil if it was not.
func (b *Budget) Err() error { return b.err }

// fail stops the work.
func (b *Budget) fail(err error) bool {
	if b.err == nil {
		b.err = err
	}
	b.next = math.MinInt64
	return false
}

// heap returns how large a heap becomes that has so many bytes of elements in
// use. Slices are a quarter larger than what is in them, Go's collector starts
// when there is as much garbage as there was in use, and then a slice may still
// be copied to a larger place.
func heap(bytes int64) int64 { return bytes * 13 / 4 }

// Need reports whether so many bytes of elements may be in use at once, beside
// those that are held.
func (b *Budget) Need(bytes int64) bool {
	if b.err != nil {
		return false
	}
	need := b.held + heap(bytes)
	if b.observe != nil {
		b.observe(need)
	}
	b.peak = max(b.peak, need)
	if l := b.limits.Memory; l > 0 && need > l {
		return b.fail(&diag.LimitError{What: WhatMemory, Limit: l, Got: need})
	}
	return true
}

// Hold counts bytes of elements that stay in use until they are counted back.
func (b *Budget) Hold(bytes int64) bool {
	b.held += heap(bytes)
	return bytes <= 0 || b.Need(0)
}

// count counts a state.
func (b *Budget) count() bool {
	b.states++
	if l := b.limits.States; l > 0 && b.states > l {
		return b.fail(&diag.LimitError{What: WhatStates, Limit: int64(l), Got: int64(b.states)})
	}
	return b.err == nil
}

// Count counts states that are there already.
func (b *Budget) Count(n int) bool {
	b.states += n - 1
	return b.count()
}

// transitions keeps the number of transitions within what int32 counts.
func (b *Budget) transitions(n int) bool {
	if n > math.MaxInt32 {
		return b.fail(&diag.LimitError{What: "transitions of an automaton", Limit: math.MaxInt32, Got: int64(n)})
	}
	return b.err == nil
}

// Used is what has been taken so far; the memory is the most at once.
func (b *Budget) Used() Limits { return Limits{Work: b.work, States: b.states, Memory: b.peak} }

// Part returns a budget with what is left of this one, and no more states than
// given, for a try that may fail. Spend counts the work that it takes.
func (b *Budget) Part(states int) *Budget {
	l := b.limits
	if l.Work > 0 {
		l.Work = max(1, l.Work-b.work)
	}
	if l.States > 0 {
		states = min(states, max(1, l.States-b.states))
	}
	l.States = states
	p := NewBudget(b.ctx, l)
	p.held = b.held
	return p
}

// HalfWork returns limits of half the work, for a try after which the other
// half is left. States are counted anew by whatever follows.
func (l Limits) HalfWork() Limits {
	if l.Work > 0 {
		l.Work = max(1, l.Work/2)
	}
	return l
}
