// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/goarmor/apparmor/audit"
)

// without drops what every case would repeat.
var without = cmpopts.IgnoreFields(audit.Event{}, "Fields", "Enriched", "Time", "Serial")

// TestRecords reads a record of each class in the words of kernels 6.1, 6.12
// and 7.3.
func TestRecords(t *testing.T) {
	for _, tt := range []struct {
		record string
		want   audit.Event
	}{
		{`apparmor="DENIED" operation="open" class="file" profile="vm" name="/srv/a" pid=7 comm="qemu" requested_mask="wr" denied_mask="w" fsuid=64055 ouid=0`,
			audit.Event{Action: audit.Denied, Operation: "open", Class: "file", Profile: "vm", Name: "/srv/a", PID: 7, Comm: "qemu", Requested: "wr", Denied: "w"}},
		{`apparmor="DENIED" operation="open" profile="vm" name="/srv/a" pid=7 comm="qemu" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			audit.Event{Action: audit.Denied, Operation: "open", Class: "file", Profile: "vm", Name: "/srv/a", PID: 7, Comm: "qemu", Requested: "r", Denied: "r"}},
		{`apparmor="ALLOWED" operation="file_perm" profile="vm" pid=7 comm="q" family="unix" sock_type="stream" protocol=0 requested_mask="send" denied_mask="send"`,
			audit.Event{Action: audit.Allowed, Operation: "file_perm", Class: "net", Profile: "vm", PID: 7, Comm: "q", Requested: "send", Denied: "send"}},
		{`apparmor="AUDIT" operation="link" class="file" profile="vm" name="/a" pid=7 comm="q" requested_mask="l" fsuid=0 ouid=0 target="/b"`,
			audit.Event{Action: audit.Audit, Operation: "link", Class: "file", Profile: "vm", Name: "/a", Target: "/b", PID: 7, Comm: "q", Requested: "l"}},
		{`apparmor="DENIED" operation="capable" class="cap" profile="vm" pid=7 comm="q" capability=21  capname="sys_admin"`,
			audit.Event{Action: audit.Denied, Operation: "capable", Class: "cap", Profile: "vm", PID: 7, Comm: "q"}},
		{`apparmor="DENIED" operation="create" class="net" info="failed af match" error=-13 profile="vm" pid=7 comm="q" family="inet" sock_type="stream" protocol=6 requested="create" denied="create"`,
			audit.Event{Action: audit.Denied, Operation: "create", Class: "net", Info: "failed af match", Error: 13, Profile: "vm", PID: 7, Comm: "q", Requested: "create", Denied: "create"}},
		{`apparmor="DENIED" operation="signal" class="signal" profile="vm" pid=7 comm="q" requested_mask="send" denied_mask="send" signal=term peer=76206D`,
			audit.Event{Action: audit.Denied, Operation: "signal", Class: "signal", Profile: "vm", PID: 7, Comm: "q", Requested: "send", Denied: "send", Peer: "v m"}},
		{`apparmor="KILLED" operation="change_hat" class="file" profile="vm" pid=7 comm="q" target="vm//h"`,
			audit.Event{Action: audit.Killed, Operation: "change_hat", Class: "file", Profile: "vm", Target: "vm//h", PID: 7, Comm: "q"}},
		{`apparmor="DENIED" operation="userns_create" class="namespace" namespace="root//n" profile="vm" pid=7 comm="q" requested="userns_create" denied="userns_create"`,
			audit.Event{Action: audit.Denied, Operation: "userns_create", Class: "namespace", Namespace: "root//n", Profile: "vm", PID: 7, Comm: "q", Requested: "userns_create", Denied: "userns_create"}},
		{`apparmor="STATUS" operation="profile_replace" profile="unconfined" name="vm" pid=7 comm="loader"`,
			audit.Event{Action: audit.Status, Operation: "profile_replace", Profile: "unconfined", Name: "vm", PID: 7, Comm: "loader"}},
		{`apparmor="STATUS" info="invalid profile format" error=-93 profile="unconfined" pid=7 comm="sh"`,
			audit.Event{Action: audit.Status, Info: "invalid profile format", Error: 93, Profile: "unconfined", PID: 7, Comm: "sh"}},
		{`apparmor="DENIED" operation="open" class="file" profile="vm" name="/srv/back\slash" new_key="kept" other=1 pid=7 comm="DEAD" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			audit.Event{Action: audit.Denied, Operation: "open", Class: "file", Profile: "vm", Name: `/srv/back\slash`, PID: 7, Comm: "DEAD", Requested: "r", Denied: "r"}},
		{`apparmor="DENIED" operation="bind" class="net" profile="vm" pid=36 comm="q" saddr=::1 src=36 family="inet6" sock_type="stream" protocol=6 requested="bind" denied="bind"`,
			audit.Event{Action: audit.Denied, Operation: "bind", Class: "net", Profile: "vm", PID: 36, Comm: "q", Requested: "bind", Denied: "bind"}},
	} {
		for form, line := range forms(tt.record) {
			got, err := audit.Parse(line)
			if err != nil {
				t.Errorf("%s: %s: %v", form, line, err)
				continue
			}
			if diff := cmp.Diff(&tt.want, got, without); diff != "" {
				t.Errorf("%s: %s (-want +got)\n%s", form, line, diff)
			}
			if form != "bare" && form != "netlink" && (got.Serial != 154 || !got.Time.Equal(time.UnixMilli(1795876242479))) {
				t.Errorf("%s: serial %d, time %v", form, got.Serial, got.Time)
			}
		}
	}
}

// forms returns a record as each log has it.
func forms(record string) map[string]string {
	kernel := "audit: type=1400 audit(1795876242.479:154): " + record
	entry := func(m map[string]any) string {
		b, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	escaped := strings.ReplaceAll(kernel, `\`, `\x5c`)
	return map[string]string{
		"bare":     record,
		"dmesg":    "[   39.958824] " + kernel,
		"syslog":   "Nov 28 14:30:42 host kernel: [39.958824] " + kernel + "\n",
		"kmsg":     "5,800,39958824,-;" + escaped + "\n SUBSYSTEM=x\n",
		"auditd":   "type=AVC msg=audit(1795876242.479:154): " + record,
		"enriched": "type=AVC msg=audit(1795876242.479:154): " + record + "\x1dFSUID=\"root\" OUID=\"root\"",
		"json":     entry(map[string]any{"_TRANSPORT": "kernel", "MESSAGE": kernel}),
		"json audit": entry(map[string]any{"_TRANSPORT": "audit", "MESSAGE": "AVC " + record, "_AUDIT_ID": "154",
			"_SOURCE_REALTIME_TIMESTAMP": "1795876242479000"}),
	}
}

// TestDBus reads what dbus-daemon writes, which has keys of its own and, in
// auditd's log, the fields of the message around it.
func TestDBus(t *testing.T) {
	const record = `apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org/x" interface="org.x.I" member="M" mask="send" name="org.x" pid=2207 label="vm" peer_label="unconfined"`
	for _, line := range []string{
		`type=USER_AVC msg=audit(1795877088.185:2946): pid=231 uid=997 auid=4294967295 ses=4294967295 subj=unconfined msg='` + record + `  exe="/usr/bin/dbus-daemon" sauid=997 hostname=? addr=? terminal=?'` + "\x1d" + `UID="messagebus"`,
		`audit: type=1107 audit(1795876914.933:1435): pid=231 uid=997 subj=unconfined msg='` + record,
		`{"_TRANSPORT":"audit","MESSAGE":` + quote("USER_AVC pid=231 uid=997 msg='"+record+"\n exe=\"/usr/bin/dbus-daemon\" terminal=?'") + `}`,
	} {
		got, err := audit.Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		want := &audit.Event{Action: audit.Denied, Operation: "dbus_method_call", Class: "dbus", Profile: "vm", Peer: "unconfined",
			Name: "org.x", Requested: "send", Denied: "send", PID: 2207}
		if diff := cmp.Diff(want, got, without); diff != "" {
			t.Errorf("%s (-want +got)\n%s", line, diff)
		}
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// TestTruncated reads records that the kernel log cut.
func TestTruncated(t *testing.T) {
	const head = `[1.0] audit: type=1400 audit(1.000:1): apparmor="DENIED" operation="open" class="file" profile="vm" name=`
	long := strings.Repeat("/long", 200)
	for _, tt := range []struct {
		name, line string
		fields     int // whole ones
	}{
		{"in quotes", head + `"` + long, 4},
		{"in half a byte", head + strings.Repeat("2F", 100) + "2", 4},
		{"before a value", head + `"/a" pid=7 comm`, 6},
		{"after a key", head + `"/a" pid=7 comm=`, 6},
		{"between fields", head + `"` + long[:900] + `" pid=7 comm="q"`, 7},
	} {
		e, err := audit.Parse(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		whole := 0
		for _, f := range e.Fields {
			if !f.Short {
				whole++
			}
		}
		if !e.Truncated || whole != tt.fields {
			t.Errorf("%s: truncated %v, %d whole fields, want %d: %+v", tt.name, e.Truncated, whole, tt.fields, e.Fields)
		}
		if e.Requested != "" || tt.fields == 4 && e.Name != "" {
			t.Errorf("%s: a field that was cut is not left out: %+v", tt.name, e)
		}
	}
}

// TestOther passes over lines that are not AppArmor's, and over those of
// senders that only quote such a line.
func TestOther(t *testing.T) {
	record := `apparmor="DENIED" operation="open" profile="vm" name="/a"`
	for _, line := range []string{
		"", "\n", "{", "{}", `{"MESSAGE":1}`, `{"MESSAGE":[300]}`, "hello",
		`type=CWD msg=audit(1.000:1): cwd="/"`,
		`type=PROCTITLE msg=audit(1.000:1): proctitle=` + record,
		`Nov 28 14:30:42 host sh[1]: echo ` + record,
		`{"_TRANSPORT":"syslog","MESSAGE":` + quote("audit: type=1400 audit(1.000:1): "+record) + `}`,
		`{"MESSAGE":` + quote("audit: type=1400 audit(1.000:1): "+record) + `}`,
		"13,800,39958824,-;audit: type=1400 audit(1.000:1): " + record,
	} {
		if e, err := audit.Parse(line); !errors.Is(err, audit.ErrOther) {
			t.Errorf("%q: %+v, %v, want ErrOther", line, e, err)
		}
	}
}

// TestSyntaxErrors refuses what no log writes.
func TestSyntaxErrors(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`apparmor="" operation="open"`, "no action"},
		{`apparmor="DENIED" ="x"`, "no key with ="},
		{`apparmor="DENIED" operation="open" - x=1`, "no key with ="},
		{`apparmor="DENIED" name=2F2 pid=7`, "text follows a value that is cut"},
		{`apparmor="` + strings.Repeat("x", audit.MaxLine), "line longer than"},
	} {
		_, err := audit.Parse(tt.line)
		var syntax *audit.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(syntax.What, tt.want) {
			t.Errorf("%.60q: %v, want a SyntaxError with %q", tt.line, err, tt.want)
		}
	}
}

// FuzzParse checks that no line breaks the reader, that what it keeps is what
// the line has, and that an event is read the same from every form.
func FuzzParse(f *testing.F) {
	for _, record := range []string{
		`apparmor="DENIED" operation="open" class="file" profile="vm" name="/srv/a" pid=7 comm="qemu" requested_mask="wr" denied_mask="w" fsuid=64055 ouid=0`,
		`apparmor="DENIED" operation="open" name=2F41 pid=7 comm="q`,
		`apparmor="STATUS" info="x" error=-93`,
		`apparmor="DENIED" operation="bind" class="net" saddr=::1 src=36 family="inet6" sock_type="dgram" protocol=17 requested="bind" denied="bind"`,
		`apparmor="DENIED" operation="mount" class="mount" name="/m/" srcname="/s/" flags="rw, rbind"`,
	} {
		for _, line := range forms(record) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := audit.Parse(line)
		if err != nil {
			var syntax *audit.SyntaxError
			if e != nil || !errors.Is(err, audit.ErrOther) && !errors.As(err, &syntax) {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		if e.Action == "" || len(e.Fields) == 0 {
			t.Fatalf("an event without an action: %+v", e)
		}
		for _, field := range e.Fields {
			if !field.Hex && !strings.HasPrefix(line, "{") && !strings.Contains(line, `\x`) && !strings.Contains(line, field.Value) {
				t.Fatalf("%q is not in the line", field.Value)
			}
		}
		r, err := e.Request()
		var none *audit.NoRequestError
		if (err == nil) == (r == nil) || err != nil && !errors.As(err, &none) {
			t.Fatalf("request %v, %v", r, err)
		}
	})
}
