package automaton

import (
	"context"
	"errors"

	"github.com/goarmor/apparmor/blob"
)

// PackOptions are the parameters of Pack.
type PackOptions struct {
	// Accept is the entry of the ACCEPT table for each label.
	Accept []uint32
	// Accept2 is the entry of the ACCEPT2 table for each label; nil leaves
	// the table out.
	Accept2 []uint32
	// Wide allows tables of 32 bits an entry; they are used where 16 bits do
	// not suffice.
	Wide bool
	// Diff encodes states as differences from similar ones where that is
	// shorter. Automata of attachments must not have it: kernels ignore the
	// encoding when they look for the longest match.
	Diff bool
}

// Pack writes the automaton as comb tables.
//
// An automaton that does not fit is a *diag.LimitError.
func (d *DFA) Pack(ctx context.Context, o PackOptions) (*blob.DFA, error) {
	return nil, errors.New("automaton: not implemented")
}
