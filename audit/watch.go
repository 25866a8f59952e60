// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
)

// Source is where Watch listens.
type Source uint8

// The sources.
const (
	// SourceAny is the audit system if it may be read, otherwise the kernel
	// log.
	SourceAny Source = iota
	// SourceAudit is the audit system's group of listeners (netlink). Records
	// are whole, and auditd still gets its own copy. It needs CAP_AUDIT_READ
	// in the initial user namespace.
	SourceAudit
	// SourceKernelLog is /dev/kmsg. It has no records while auditd runs;
	// records are cut after 1,021 bytes and limited in rate.
	SourceKernelLog
)

// WatchOptions configure Watch. The zero value is useful.
type WatchOptions struct {
	Source Source // where records are read from; zero: SourceAny
}

// LostError says that records were lost. Watch continues after it.
type LostError struct {
	// Count is how many records were lost; 0 if nobody counted them.
	Count int
	// Why is the reason: a full buffer, or the kernel's limit of rate.
	Why string
}

// Error implements error.
func (e *LostError) Error() string {
	if e.Count > 0 {
		return fmt.Sprintf("audit: %d records lost: %s", e.Count, e.Why)
	}
	return "audit: records lost: " + e.Why
}

// suppressed matches what printk says about a burst that was cut.
var suppressed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`kauditd_printk_skb: ([0-9]+) callbacks suppressed`)
})

// lostIn returns what a line of the kernel log says about records that are
// missing in it.
func lostIn(line string) *LostError {
	m := suppressed().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		n = 0
	}
	return &LostError{Count: n, Why: "the kernel log limits the rate of records (sysctl kernel.printk_ratelimit_burst)"}
}
