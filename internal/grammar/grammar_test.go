// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEBNF holds the printed grammar against testdata/grammar.ebnf, which is
// the grammar to read. With UPDATE_GOLDEN set it is written anew.
func TestEBNF(t *testing.T) {
	if _, err := parser(); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/grammar.ebnf"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(EBNF()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), EBNF()+"\n"); diff != "" {
		t.Error(diff)
	}
}
