// SPDX-License-Identifier: Apache-2.0

package diag_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
)

// What is wrong with a policy is a list: each finding has a stable code for
// programs, and a place and a hint for people.
func Example() {
	_, err := parser.Config{Recover: 10}.Parse(context.Background(), "usr.bin.man", "/usr/bin/man {\n  capability sys_admn,\n  /etc/man.conf r\n}\n")
	var list diag.List
	if !errors.As(err, &list) {
		fmt.Println(err)
		return
	}
	for _, d := range list {
		fmt.Println(d.Code, "in line", d.Pos.Line)
	}
	fmt.Println(list[0])
	// Output:
	// unknown-capability in line 2
	// syntax in line 4
	// usr.bin.man:2:14: unknown capability "sys_admn" (at "sys_admn"); did you mean "sys_admin"?
}

// A limit that a text exceeds has a type of its own.
func ExampleLimitError() {
	c := parser.Config{Limits: parser.Limits{Bytes: 8}}
	_, err := c.Parse(context.Background(), "big", "/usr/bin/man { }\n")
	var limit *diag.LimitError
	if errors.As(err, &limit) {
		fmt.Printf("%s: %d, the limit is %d\n", limit.What, limit.Got, limit.Limit)
	}
	fmt.Println(errors.Is(err, diag.ErrLimit))
	// Output:
	// file size in bytes: 17, the limit is 8
	// true
}
