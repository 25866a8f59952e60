// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
)

// TestPins checks which features count, those of an abi statement, of an
// option, or those that policy without either is taken to be written for: by
// the classes that are mediated, which are those in the output of
// apparmor_parser 6.0.
func TestPins(t *testing.T) {
	const (
		as61      = "02 07 09 0a 0e 10"
		as72      = "02 07 09 0a 0e 0f 10 15 16 20"
		default61 = "02 07 09 0a 10"
		default72 = "02 07 09 0a 10 20"

		text = "profile t { file, network, dbus, userns, io_uring, mqueue, signal, ptrace, mount, unix, }\n"
	)
	names := map[string]string{
		"K61": oracle.Features(t, "kernel-6.1"),
		"K72": oracle.Features(t, "kernel-7.2"),
		"ALL": oracle.Features(t, "features.all"),
	}
	for _, tt := range []struct{ abi, args, want string }{
		{"", "-M K61", as61},
		{"", "-M K72", as72},
		{"K61", "-M K72", as61},
		{"K72", "-M K61", as61},
		{"ALL", "-M K72 --override-policy-abi K72", as72},

		{"", "--kernel-features K61", default61},
		{"", "--kernel-features K72", default72},
		{"K72", "--kernel-features K72", as72},
		{"", "--kernel-features K72 --policy-features K61", as61},
		{"K72", "--kernel-features K72 --policy-features K61", as72},
		{"", "--kernel-features K61 --policy-features K72", as61},
		{"", "-M K72 --policy-features K61", as61},
		{"", "--policy-features K61 -M K72", as72},

		{"<kernel>", "--kernel-features K72 --policy-features K61", as72},
		{"<default>", "-M K72", default72},
		{"<default>", "-M K72 --override-policy-abi K61", as61},
		{"K72", "-M K72 --override-policy-abi K61", as61},
		{"K61", "-M K72 --override-policy-abi K72", as72},
		{"K72", "--kernel-features K72 --policy-features ALL --override-policy-abi K61", as61},
	} {
		policy := text
		switch name, ok := names[tt.abi]; {
		case ok:
			policy = fmt.Sprintf("abi %q,\n", name) + text
		case tt.abi != "":
			policy = "abi " + tt.abi + ",\n" + text
		}
		args := strings.Fields(tt.args)
		for i, arg := range args {
			if name, ok := names[arg]; ok {
				args[i] = name
			}
		}
		dir := files(t, map[string]string{"p": policy})
		out := runIn(t, dir, "", append(args, "-QKSq", "-b", ".", "p")...)
		if got := mediated(t, out); got != tt.want {
			t.Errorf("abi %q, %s: %s, want %s", tt.abi, tt.args, got, tt.want)
		}
	}

	dir := files(t, map[string]string{"p": "abi <nowhere>,\n" + text})
	out := runIn(t, dir, "", "-M", names["K72"], "--override-policy-abi", names["K61"], "-QKSq", "-b", ".", "p")
	if out.Status != 1 || out.Stdout != "" {
		t.Errorf("a missing abi, overridden: status %d, %s", out.Status, out.Stderr)
	}
}

// mediated returns the classes that the policy on standard output mediates
// outside of files.
func mediated(t *testing.T, out outcome) string {
	t.Helper()
	p, err := blob.Inspect([]byte(out.Stdout))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.Stderr)
	}
	var classes []string
	for c := range 256 {
		if p.Profiles()[0].ClassState(blob.Class(c)) != 0 {
			classes = append(classes, fmt.Sprintf("%02x", c))
		}
	}
	return strings.Join(classes, " ")
}
