// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"

	"github.com/goarmor/apparmor/blob"
)

// pivotPerm is the permission in the class of mounts.
const pivotPerm Perms = 1 << 0

// PivotRoot asks for pivot_root(2): NewRoot becomes the root, and the old one is
// then found at PutOld. Both end in a slash.
type PivotRoot struct{ NewRoot, PutOld string }

// String implements fmt.Stringer.
func (r PivotRoot) String() string { return fmt.Sprintf("pivot_root %s -> %s", r.PutOld, r.NewRoot) }

func (r PivotRoot) texts() iter.Seq2[textKind, string] { return texts(textPath, r.NewRoot, r.PutOld) }

func (r PivotRoot) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassMount, []byte(r.NewRoot+"\x00"+r.PutOld), pivotPerm).in(wordsNone), nil
}
