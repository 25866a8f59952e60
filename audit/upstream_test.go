// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/internal/testenv"
)

// TestUpstream reads the records that libapparmor is tested with, and compares
// what it is said to find in them.
func TestUpstream(t *testing.T) {
	src := testenv.Source(t, "trixie", "apparmor")
	inputs, err := filepath.Glob(filepath.Join(src, "libraries/libapparmor/testsuite/test_multi/*.in"))
	if err != nil || len(inputs) < 150 {
		t.Fatalf("%d inputs, %v", len(inputs), err)
	}
	events, invalid, requests := 0, 0, 0
	for _, in := range inputs {
		name := strings.TrimSuffix(filepath.Base(in), ".in")
		text, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		want := expected(t, strings.TrimSuffix(in, ".in")+".out")
		if len(want) == 0 {
			t.Errorf("%s: nothing is expected", name)
			continue
		}
		e, err := audit.Parse(strings.TrimSpace(string(text)))
		if want["Event type"] == "AA_RECORD_INVALID" {
			invalid++
			if err != nil {
				t.Logf("%s: invalid to both: %v", name, err)
				continue
			}
		} else if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		events++
		for key, want := range want {
			got, known := found(e, key)
			if known && got != want && !notOurs[name+" "+key] {
				t.Errorf("%s: %s is %q, libapparmor has %q\n%s", name, key, got, want, text)
			}
		}
		r, err := e.Request()
		var none *audit.NoRequestError
		switch {
		case err == nil:
			requests++
			if r.String() == "" {
				t.Errorf("%s: a request without words", name)
			}
		case !errors.As(err, &none):
			t.Errorf("%s: %v", name, err)
		default:
			t.Logf("%s: %v", name, err)
		}
	}
	t.Logf("%d inputs, %d events, %d requests; libapparmor calls %d invalid", len(inputs), events, requests, invalid)
}

// notOurs are fields that libapparmor finds otherwise.
var notOurs = map[string]bool{
	// It takes the program of the bus daemon for the client's name,
	"testcase_dbus_04 Command": true, "testcase_dbus_05 Command": true, "testcase_dbus_06 Command": true,
	"testcase_dbus_08 Command": true, "testcase_dbus_09 Command": true, "testcase_dbus_11 Command": true,
	// what a bus allowed for denied,
	"testcase_dbus_08 Denied Mask": true, "testcase_dbus_09 Denied Mask": true, "testcase_dbus_10 Denied Mask": true,
}

// expected reads what libapparmor's test program prints.
func expected(t *testing.T, path string) map[string]string {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ": "); ok {
			all[key] = value
		}
	}
	return all
}

// found returns what an event has of a field that libapparmor prints.
func found(e *audit.Event, key string) (string, bool) {
	field := func(keys ...string) (string, bool) {
		for _, key := range keys {
			if v, ok := e.Get(key); ok {
				return v, true
			}
		}
		return "", true
	}
	number := func(n int) (string, bool) { return strconv.Itoa(n), true }
	switch key {
	case "Operation":
		return e.Operation, true
	case "Profile":
		return e.Profile, true
	case "Name":
		if e.Class == "cap" {
			return field("capname", "name")
		}
		return e.Name, true
	case "Name2":
		return e.Target, true
	case "Namespace":
		return e.Namespace, true
	case "Mask":
		return e.Requested, true
	case "Denied Mask":
		return e.Denied, true
	case "Command":
		return e.Comm, true
	case "Info":
		return e.Info, true
	case "Peer":
		return e.Peer, true
	case "PID":
		return number(e.PID)
	case "ErrorCode":
		return number(e.Error)
	case "Network family":
		return field("family")
	case "Socket type":
		return field("sock_type")
	case "Src name":
		return field("srcname")
	case "FS Type":
		return field("fstype")
	case "Flags":
		return field("flags")
	case "Signal":
		return field("signal")
	case "fsuid":
		return field("fsuid")
	case "ouid":
		return field("ouid")
	case "Local addr":
		return field("laddr", "saddr")
	case "Local port":
		return field("lport", "src")
	case "Foreign addr":
		return field("faddr", "daddr")
	case "Foreign port":
		return field("fport", "dest")
	case "Epoch":
		return strconv.FormatInt(e.Time.Unix(), 10), true
	case "Audit subid":
		return strconv.FormatUint(e.Serial, 10), true
	}
	return "", false
}
