// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// VirtHelper is Debian's virt-aa-helper (9.0.0 in Debian 12). It is safe for
// concurrent use. Only dry runs are offered: they print and touch nothing.
type VirtHelper struct {
	tb   testing.TB
	path string
}

// VirtAAHelper finds virt-aa-helper, or skips the test.
func VirtAAHelper(tb testing.TB) VirtHelper {
	tb.Helper()
	return VirtHelper{tb, testenv.Command(tb, "/usr/lib/libvirt/virt-aa-helper", "libvirt-daemon-system")}
}

// DryRun runs the helper with `-d` on a domain's XML, with further arguments
// such as "-c", "-u", "libvirt-UUID". It returns what the helper says, all of
// it on standard error: names of files and what would be in them, each behind
// a line `virt-aa-helper:`. The error is an *Error.
func (h VirtHelper) DryRun(xml string, args ...string) (string, error) {
	h.tb.Helper()
	_, msg, err := run(h.tb, Job{Text: xml}, h.path, append([]string{"-d"}, args...)...)
	return string(msg), err
}

// Rules returns the rules that the helper derives from a domain's XML for a
// profile named libvirt-UUID: the text of its .files without the header line.
// The XML must have that UUID.
func (h VirtHelper) Rules(xml, profile string) (string, error) {
	h.tb.Helper()
	out, err := h.DryRun(xml, "-c", "-u", profile)
	if err != nil {
		return "", err
	}
	const mark = "virt-aa-helper:\n"
	_, rest, ok := strings.Cut(out, mark+"/etc/apparmor.d/libvirt/"+profile+".files\n"+mark)
	if !ok {
		h.tb.Fatalf("virt-aa-helper says %q", out)
	}
	rules, _, _ := strings.Cut(rest, "\n"+mark)
	return rules, nil
}
