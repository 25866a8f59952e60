// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxLine is the longest line that Parse reads, in bytes. It is several times
// what auditd writes, and longer than the journal's JSON for that.
const MaxLine = 1 << 18

// ErrOther says that a line is not an AppArmor record: another record, or
// other text of the log.
var ErrOther = errors.New("audit: the line is not an AppArmor record")

// SyntaxError says that a record of AppArmor cannot be read.
type SyntaxError struct {
	Offset int    // in the text of the record, in bytes
	What   string // what is wrong there
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("audit: %s at byte %d of the record", e.What, e.Offset)
}

// begin is how every record of AppArmor begins.
const begin = `apparmor="`

// Parse reads one line, without or with its line end. For lines that are not
// AppArmor's the error is ErrOther, so that a caller can skip them.
func Parse(line string) (*Event, error) {
	if len(line) > MaxLine {
		return nil, &SyntaxError{Offset: MaxLine, What: fmt.Sprintf("line longer than %d bytes", MaxLine)}
	}
	line = strings.TrimRight(line, "\r\n")
	if strings.HasPrefix(line, "{") {
		return parseJournal(line)
	}
	if text, kernel, ok := cutKmsg(line); ok {
		if !kernel {
			return nil, ErrOther
		}
		return parseText(unescapeKmsg(text))
	}
	return parseText(line)
}

// parseText reads the forms that are text.
func parseText(line string) (*Event, error) {
	e := &Event{}
	start := strings.Index(line, begin)
	var action Action // of records that do not begin with it
	if start < 0 {
		if action, start = oldRecord(line); start < 0 {
			return nil, ErrOther
		}
	} else if !plausible(line[:start]) {
		return nil, ErrOther
	}
	head := line[:start]
	e.Time, e.Serial = stamp(head)
	record, enriched, _ := strings.Cut(line[start:], "\x1d")
	if strings.HasSuffix(head, "msg='") {
		// The sender of a user message closes it with a quote, after fields of
		// its own.
		if i := strings.LastIndexByte(record, '\''); i > strings.LastIndexByte(record, '"') {
			record, enriched = record[:i], record[i+1:]
		}
	}
	var err error
	if e.Fields, e.Truncated, err = fields(record); err != nil {
		return nil, err
	}
	// Names that auditd adds are for people; a damaged one does not discard
	// the record.
	e.Enriched, _, _ = fields(enriched)
	e.settle(action)
	if e.Action == "" {
		return nil, &SyntaxError{What: "no action"}
	}
	if !e.Truncated && cutShort(e, len(line)) {
		e.Truncated = true
	}
	return e, nil
}

// plausible reports whether a record of AppArmor may follow the text. Records
// of other senders, such as a shell's command line, may quote AppArmor's. Only
// a stamp, a prefix of a log, or nothing may come first.
func plausible(head string) bool {
	switch head = strings.TrimRight(head, " "); {
	case head == "", strings.HasSuffix(head, "AVC"):
		return true
	case strings.HasSuffix(head, "):"):
		return strings.Contains(head, "audit(")
	case strings.HasSuffix(head, "msg='"):
		return strings.Contains(head, "audit(") || strings.HasPrefix(head, "USER_AVC ")
	}
	return sessionBus().MatchString(head)
}

// sessionBus matches what syslog puts before what a bus daemon writes that has
// no access to the audit system, as that of a session.
var sessionBus = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(` dbus(-daemon|-broker)?\[[0-9]+\]:$`)
})

// oldRecord finds a record of kernels before 2.6.36, which say by its type what
// was decided (include/linux/audit.h of Linux 2.6.35, AUDIT_APPARMOR_ALLOWED
// and those beside it, of Ubuntu's and SUSE's kernels). The place is negative
// if there is none.
func oldRecord(line string) (Action, int) {
	start := strings.Index(line, `operation="`)
	if start < 0 {
		return "", -1
	}
	m := oldType().FindStringSubmatch(line[:start])
	if m == nil || !strings.Contains(line[:start], "audit(") {
		return "", -1
	}
	switch m[1] + m[2] + m[3] {
	case "1501", "AUDIT":
		return Audit, start
	case "1502", "ALLOWED":
		return Allowed, start
	case "1503", "DENIED":
		return Denied, start
	case "1504", "HINT":
		return Hint, start
	case "1505", "STATUS":
		return Status, start
	case "1506", "ERROR":
		return Failed, start
	}
	return "", -1
}

var oldType = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\btype=(?:(150[1-6])|UNKNOWN\[(150[1-6])\]|APPARMOR_([A-Z]+)) `)
})

// printkRoom is how many bytes of a record the kernel log holds.
const printkRoom = 1021

// cutShort reports whether a record of the kernel log lacks fields that its
// class always has, and is as long as the log allows: the cut fell between two
// fields.
func cutShort(e *Event, length int) bool {
	if length < printkRoom-len(`requested_mask=`) {
		return false
	}
	switch e.Class {
	case "file":
		_, ok := e.Get("fsuid")
		return !ok && e.Target == ""
	case "":
		return false
	}
	_, comm := e.Get("comm")
	return !comm
}

// fields splits key=value pairs. Truncated says that the last one is not whole.
func fields(s string) (all []Field, truncated bool, err error) {
	for at := 0; ; {
		for at < len(s) && isBlank(s[at]) {
			at++
		}
		if at == len(s) {
			return all, truncated, nil
		}
		if truncated {
			return nil, false, &SyntaxError{at, "text follows a value that is cut"}
		}
		n := 0
		for at+n < len(s) && isKey(s[at+n]) {
			n++
		}
		f := Field{Key: s[at : at+n]}
		switch {
		case at+n == len(s):
			// A key without its value ends a record that is cut.
			f.Short, truncated = true, true
			all = append(all, f)
			at += n
			continue
		case n == 0 || s[at+n] != '=':
			return nil, false, &SyntaxError{at, "no key with ="}
		}
		at += n + 1
		switch rest := s[at:]; {
		case strings.HasPrefix(rest, `"`):
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				f.Value, f.Short, truncated = rest[1:], true, true
				at = len(s)
				break
			}
			f.Value = rest[1 : 1+end]
			at += end + 2
		default:
			end := strings.IndexAny(rest, blanks)
			if end < 0 {
				end = len(rest)
			}
			f.Value = rest[:end]
			at += end
			f.decode()
			if f.Short || end == 0 {
				f.Short, truncated = true, true
			}
		}
		all = append(all, f)
	}
}

// blanks separate fields. dbus-daemon ends its own with a newline.
const blanks = " \n\x1d"

func isBlank(c byte) bool { return strings.IndexByte(blanks, c) >= 0 }

// isKey reports whether a byte may be part of a key.
func isKey(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// written has the keys whose values kernels write as they are, if that is
// possible, and in hexadecimal digits otherwise (audit_log_untrustedstring).
// Values of other keys are words and numbers: a port 36 is not the byte "6".
var written = map[string]bool{
	"addr": true, "comm": true, "execpath": true, "fstype": true, "label": true, "name": true,
	"namespace": true, "ns": true, "options": true, "peer": true, "peer_addr": true, "peer_label": true,
	"profile": true, "srcname": true, "target": true, "tcontext": true, "trans": true, "exe": true,
}

// decode decodes a bare value that is in hexadecimal digits. A digit without
// its partner is where the record was cut.
func (f *Field) decode() {
	if !written[f.Key] || f.Value == "" || strings.Trim(f.Value, "0123456789ABCDEF") != "" {
		return
	}
	even := f.Value[:len(f.Value)/2*2]
	b, err := hex.DecodeString(even)
	if err != nil {
		return
	}
	f.Short = len(even) != len(f.Value)
	f.Value, f.Hex = string(b), true
}

// stamp finds `audit(SECONDS.MILLISECONDS:SERIAL)` in what precedes a record.
func stamp(head string) (time.Time, uint64) {
	i := strings.LastIndex(head, "audit(")
	if i < 0 {
		return time.Time{}, 0
	}
	inner, _, ok := strings.Cut(head[i+len("audit("):], ")")
	if !ok {
		return time.Time{}, 0
	}
	at, serial, ok := strings.Cut(inner, ":")
	sec, milli, ok2 := strings.Cut(at, ".")
	s, err := strconv.ParseUint(sec, 10, 64)
	ms, err2 := strconv.ParseUint(milli, 10, 16)
	n, err3 := strconv.ParseUint(serial, 10, 64)
	if !ok || !ok2 || err != nil || err2 != nil || err3 != nil || s > math.MaxInt64 || ms > 999 {
		return time.Time{}, 0
	}
	return time.Unix(int64(s), int64(ms)*int64(time.Millisecond)), n
}

// cutKmsg takes the text out of a record of /dev/kmsg: `6,1234,5678,-;text`.
// The lines that follow the first begin with a blank and are attributes. The
// first number holds the facility from bit 3 on; it is 0 for what the kernel
// itself writes, and user space cannot choose that (kernel/printk/printk.c,
// devkmsg_write).
func cutKmsg(line string) (text string, kernel, ok bool) {
	head, text, ok := strings.Cut(line, ";")
	if !ok || strings.Count(head, ",") < 3 {
		return "", false, false
	}
	for i, part := range strings.SplitN(head, ",", 4)[:3] {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return "", false, false
		}
		if i == 0 {
			kernel = n>>3 == 0
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	return text, kernel, true
}

// unescapeKmsg decodes \xNN, which /dev/kmsg writes for backslashes and for
// bytes that are not printable ASCII (Documentation/ABI/testing/dev-kmsg).
func unescapeKmsg(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseJournal reads an object of `journalctl -o json`. Fields that begin with
// _ are the journal's own; MESSAGE may come from anybody, unless the transport
// says that it came from the kernel.
func parseJournal(line string) (*Event, error) {
	var entry struct {
		Transport string          `json:"_TRANSPORT"`
		Message   json.RawMessage `json:"MESSAGE"`
		Audit     string          `json:"_AUDIT_ID"`
		Source    string          `json:"_SOURCE_REALTIME_TIMESTAMP"`
		Written   string          `json:"__REALTIME_TIMESTAMP"`
	}
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		return nil, ErrOther
	}
	if entry.Transport != "kernel" && entry.Transport != "audit" {
		return nil, ErrOther
	}
	text, ok := journalText(entry.Message)
	if !ok {
		return nil, ErrOther
	}
	e, err := parseText(text)
	if err != nil {
		return nil, err
	}
	if e.Serial == 0 {
		e.Serial, _ = strconv.ParseUint(entry.Audit, 10, 64)
	}
	if e.Time.IsZero() {
		for _, s := range []string{entry.Source, entry.Written} {
			if us, err := strconv.ParseInt(s, 10, 64); err == nil && us > 0 {
				e.Time = time.UnixMicro(us)
				break
			}
		}
	}
	return e, nil
}

// journalText returns a value of the journal's JSON: a string, or the bytes of
// what is not UTF-8.
func journalText(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	var numbers []uint8
	var wide []int
	if json.Unmarshal(raw, &wide) != nil {
		return "", false
	}
	for _, n := range wide {
		if n < 0 || n > 255 {
			return "", false
		}
		numbers = append(numbers, byte(n))
	}
	return string(numbers), len(numbers) > 0
}
