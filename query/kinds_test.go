// SPDX-License-Identifier: Apache-2.0

package query

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// TestKinds holds that each class that is mediated by an automaton is compared
// once, under its own name.
func TestKinds(t *testing.T) {
	seen := map[blob.Class]bool{}
	for _, k := range kinds {
		if seen[k.class] {
			t.Errorf("two kinds are of class %v", k.class)
		}
		seen[k.class] = true
	}
	for _, c := range []blob.Class{
		blob.ClassFile, blob.ClassMount, blob.ClassPtrace, blob.ClassSignal, blob.ClassNet, blob.ClassNetV9, blob.ClassPosixMq, blob.ClassSysVMq,
		blob.ClassNamespaces, blob.ClassIOUring, blob.ClassDBus,
	} {
		if !seen[c] {
			t.Errorf("no kind is of class %v", c)
		}
	}
}
