// SPDX-License-Identifier: Apache-2.0

package linux

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	names := Names{"a", "", "c", "d"}
	for _, c := range []struct {
		name   string
		number int
		ok     bool
	}{{"a", 0, true}, {"c", 2, true}, {"", 0, false}, {"x", 0, false}} {
		if n, ok := names.Number(c.name); n != c.number || ok != c.ok {
			t.Errorf("Number(%q) = %d, %t", c.name, n, ok)
		}
	}
	for number, want := range map[int]string{-1: "", 0: "a", 1: "", 3: "d", 4: ""} {
		if got := names.Name(number); got != want {
			t.Errorf("Name(%d) = %q, want %q", number, got, want)
		}
	}
	if got, want := names.UpTo("c"), []string{"a", "c"}; !slices.Equal(got, want) {
		t.Errorf("UpTo = %q, want %q", got, want)
	}
}

func TestSignals(t *testing.T) {
	for name, want := range map[string]byte{
		"hup": 1, "stp": 20, "tstp": 20, "io": 29, "poll": 29, "sys": 31, "emt": 32, "exists": 35,
		"rtmin+0": 0x80, "rtmin+7": 0x87, "rtmin+32": 0xa0,
	} {
		if n, ok := SignalNumber(name); n != want || !ok {
			t.Errorf("SignalNumber(%q) = %d, %t, want %d", name, n, ok, want)
		}
	}
	for _, name := range []string{"", "HUP", "rtmin", "rtmin+", "rtmin+00", "rtmin+01", "rtmin+33", "rtmin+-1", "rtmin+:", "rtmin+1:", "rtmin+/", "rtmin+99999999999999999999", "rtmax-1"} {
		if n, ok := SignalNumber(name); ok {
			t.Errorf("SignalNumber(%q) = %d", name, n)
		}
	}
	known := 0
	for n := range 256 {
		name := SignalName(byte(n))
		if name == "" {
			continue
		}
		known++
		if back, ok := SignalNumber(name); int(back) != n || !ok {
			t.Errorf("signal %d is %q, which is %d", n, name, back)
		}
	}
	if want := 32 + 1 + 33; known != want { // by number, exists and the real-time ones
		t.Errorf("%d signals, want %d", known, want)
	}
}

func TestErrnoNames(t *testing.T) {
	for name, want := range map[string]uint32{"EWOULDBLOCK": 11, "EDEADLOCK": 35, "ENOTSUP": 95, "EACCES": 13} {
		if n, ok := ErrnoNumber(name); n != want || !ok {
			t.Errorf("ErrnoNumber(%q) = %d, %t, want %d", name, n, ok, want)
		}
	}
	for _, name := range []string{"", "eperm", "ENOTHING"} {
		if n, ok := ErrnoNumber(name); ok {
			t.Errorf("ErrnoNumber(%q) = %d", name, n)
		}
	}
}

func TestAllUsers(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"0 0 4294967295":                     true,
		"         0       1000          1\n": false,
		"0 1 4294967294\n":                   false,
		"1 0 4294967295\n":                   false,
		"0 0 1000\n1000 1000 4294966295\n":   false,
		"":                                   false,
	} {
		if got := AllUsers(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
