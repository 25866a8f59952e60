// SPDX-License-Identifier: Apache-2.0

// Package audit reads what AppArmor says about decisions: the records that
// kernels and dbus-daemon write to the kernel log, auditd's log and the
// journal.
//
// Parse takes one line in any of these forms and returns an Event:
//
//   - the kernel log as dmesg, syslog and the journal print it
//   - /dev/kmsg, with its escapes
//   - auditd's log, raw or enriched
//   - the journal's JSON, of the kernel's and of the audit transport
//
// Nothing is guessed. Keys that this package does not know are kept in
// Event.Fields. Event.Truncated says that a record was cut, and what the cut
// may have changed is left out of the typed members. A class that older
// kernels do not write is derived from the operation, if only one class has
// that operation.
//
// # What records do not say
//
// An event is one line per profile of a stack, so one event of a stacked task
// may be several records with one serial number. The word in Action is what the
// profile says, not how the system call ended: Allowed is written for complain
// mode even if the call fails for another reason, and Error is the reason of the
// check, not the result of the call.
//
// Kernels from 7.3 on write abstract socket addresses with odd bytes as
// hexadecimal digits inside the quotes (`addr="@C3A9"`), which look like a
// socket of that very name. Such values are left as they are.
//
// printk cuts records after 1,021 bytes, without a mark, and drops records of
// a burst; auditd's log keeps records of up to about 8,400 bytes whole and
// drops longer ones entirely. Observed on Debian's kernels 6.12 and 7.3 with
// auditd 4.0.2.
//
// # Who wrote a line
//
// In the journal's JSON and in /dev/kmsg the sender of a record is certain,
// and anything that is not the kernel's is ErrOther. Lines of text logs are
// trusted: whoever may write to the log can write any event.
//
// Everything here is safe for concurrent use.
package audit
