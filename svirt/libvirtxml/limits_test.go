// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// TestLimits reads documents of just the size, depth and number of elements
// that are allowed, and larger ones.
func TestLimits(t *testing.T) {
	rep := strings.Repeat
	empty := len(document(""))
	elements := strings.Count(document(""), "<") - strings.Count(document(""), "</") - 1 // what comes first is no element
	deep := func(n int) string { return document(rep("<a>", n) + rep("</a>", n)) }
	for _, c := range []struct {
		what     string
		limit    int64
		ok, over string
	}{
		{"bytes of the document", libvirtxml.MaxSize,
			document(rep(" ", libvirtxml.MaxSize-empty)), document(rep(" ", libvirtxml.MaxSize-empty+1))},
		{"nesting of elements", libvirtxml.MaxDepth, deep(libvirtxml.MaxDepth - 2), deep(libvirtxml.MaxDepth - 1)},
		{"elements of the document", libvirtxml.MaxNodes,
			document(rep("<a/>", libvirtxml.MaxNodes-elements)), document(rep("<a/>", libvirtxml.MaxNodes-elements+1))},
	} {
		if _, err := libvirtxml.Parse([]byte(c.ok)); err != nil {
			t.Errorf("%s, within: %v", c.what, err)
		}
		_, err := libvirtxml.Parse([]byte(c.over))
		var limit *diag.LimitError
		var e *libvirtxml.Error
		if !errors.As(err, &e) || e.Kind != libvirtxml.TooLarge || !errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit) || limit.What != c.what || limit.Limit != c.limit || limit.Got != c.limit+1 {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestManyAttributes has an element with more attributes than can be compared
// with each other.
func TestManyAttributes(t *testing.T) {
	var b strings.Builder
	for i := range 500_000 {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	if _, err := libvirtxml.Parse([]byte(document("<a" + b.String() + "/>"))); err != nil {
		t.Error(err)
	}
	var e *libvirtxml.Error
	if _, err := libvirtxml.Parse([]byte(document("<a" + b.String() + " a0=''/>"))); !errors.As(err, &e) || e.Kind != libvirtxml.Malformed {
		t.Errorf("an attribute twice: %v", err)
	}
}
