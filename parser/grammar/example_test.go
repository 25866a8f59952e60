// SPDX-License-Identifier: Apache-2.0

package grammar_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/parser/grammar"
)

// Text from somebody who is not trusted is parsed twice, and taken only if both
// parsers have the same view of it.
func ExampleCheck() {
	tree, err := grammar.Check(context.Background(), parser.Config{}, "upload", "/usr/bin/man {\n  /etc/man.conf r,\n}\n")
	var disagreement *grammar.DisagreementError
	switch {
	case errors.As(err, &disagreement):
		fmt.Printf("%s: parser %s, grammar %s\n", disagreement.Pos, disagreement.Parser, disagreement.Grammar)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(len(tree.Stmts), "statement")
	}
	// Output: 1 statement
}
