// SPDX-License-Identifier: Apache-2.0

package lang

import (
	"net/netip"
	"strconv"
	"strings"
)

// ParseIP reads the address of a network rule: one without a zone.
func ParseIP(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == ""
}

// ParsePorts reads the ports of a network rule, N or N-M with N <= M. They have
// no sign.
func ParsePorts(s string) (from, to uint16, ok bool) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	return uint16(a), uint16(b), err == nil && err2 == nil && a <= b
}
