// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/testenv"
)

// verdicts lists the tests below r as "name verdict".
func verdicts(prefix string, r *result) []string {
	var out []string
	for _, sub := range r.sub {
		out = append(out, strings.TrimSpace(prefix+sub.name+" "+sub.verdict))
		out = append(out, verdicts(prefix+sub.name+"/", sub)...)
	}
	return out
}

func TestGuestsThatGoWrong(t *testing.T) {
	found, err := Kernels(t, []string{"bookworm"})
	if err != nil {
		testenv.Missing(t, err.Error(), "tests fetch kernels with apt from Debian's mirror")
	}
	binary := build(t, "./selftest", amd64)
	for _, c := range []struct {
		name    string
		run     string
		args    []string
		timeout time.Duration
		want    []string // verdicts
		cut     bool     // output may be lost, and verdicts with it
		exit    int
		err     string // part of the error; empty: none
		log     string // part of the tests' output
	}{
		{
			name: "verdicts", run: "^Test(Pass|Files|Command|Fail|Skip)$", exit: 1,
			want: []string{
				"TestPass pass", "TestPass/sub/with_slash pass", "TestFiles pass", "TestCommand pass",
				"TestFail fail", "TestFail/yes fail", "TestFail/no pass", "TestSkip skip",
			},
			log: "a line of log",
		},
		{name: "nothing", run: "^None$"},
		{name: "exit", run: "^Test(Pass|Exit)$", exit: 2, want: []string{"TestPass pass", "TestPass/sub/with_slash pass", "TestExit"}, log: "os.Exit(0)"},
		{name: "panic", run: "^TestPanic$", exit: 2, want: []string{"TestPanic"}, log: "of the tests"},
		{name: "kernel panic", run: "^TestKernelPanic$", err: "Kernel panic", want: []string{"TestKernelPanic"}, cut: true},
		{name: "hang", run: "^TestHang$", args: []string{"-test.timeout=2s"}, exit: 2, want: []string{"TestHang"}, log: "test timed out"},
		{name: "hang of all", run: "^TestHang$", args: []string{"-test.timeout=0"}, timeout: 90 * time.Second, err: "not done after 1m30s", want: []string{"TestHang"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := Config{
				Timeout: c.timeout,
				Args:    append(c.args, "-test.run="+c.run),
				Files: func(testing.TB, Kernel) map[string][]byte {
					return map[string][]byte{"a/b": []byte("content\n")}
				},
			}
			r, err := conf.boot(t, found[0], binary)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if r.exit != c.exit {
				t.Errorf("exit status %d, want %d", r.exit, c.exit)
			}
			events, err := convert(t.Context(), r.output)
			if err != nil {
				t.Fatal(err)
			}
			root := newResult(events)
			got := verdicts("", root)
			if c.cut && len(got) == 0 {
				got = c.want
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if !bytes.Contains(r.output, []byte(c.log)) {
				t.Errorf("%q is not in the output:\n%s", c.log, r.output)
			}
			if t.Failed() {
				t.Logf("console:\n%s", tail(r.console, 30))
			}
		})
	}
}

func TestWriteCpio(t *testing.T) {
	var b bytes.Buffer
	err := writeCpio(&b, []cpioEntry{
		{name: "a/b/c", mode: cpioReg | 0o644, data: []byte("hello")},
		{name: "a/d", mode: cpioChar | 0o600, major: 5, minor: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(ino, mode, nlink, size, major, minor, name, rest string) string {
		return "070701" + ino + mode + "0000000000000000" + nlink + "00000000" + size +
			"0000000000000000" + major + minor + name + "00000000" + rest
	}
	want := entry("00000001", "000041ED", "00000002", "00000000", "00000000", "00000000", "00000002", "a\x00") +
		entry("00000002", "000041ED", "00000002", "00000000", "00000000", "00000000", "00000004", "a/b\x00\x00\x00") +
		entry("00000003", "000081A4", "00000001", "00000005", "00000000", "00000000", "00000006", "a/b/c\x00hello\x00\x00\x00") +
		entry("00000004", "00002180", "00000001", "00000000", "00000005", "00000001", "00000004", "a/d\x00\x00\x00") +
		entry("00000005", "00000000", "00000001", "00000000", "00000000", "00000000", "0000000B", "TRAILER!!!\x00\x00\x00\x00")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestReadFrames(t *testing.T) {
	for _, c := range []struct {
		name, in, out string
		exit          int
		end           bool
		err           string
		shared        bool // the port is the console
		console       string
	}{
		{name: "whole", in: "{\"hello\":\"6.1\"}\n{\"out\":\"a\\n\"}\n{\"out\":\"b\"}\n{\"exit\":0}\n{\"out\":\"late\"}\n", out: "a\nb", end: true},
		{name: "status", in: "{\"exit\":3}\n", exit: 3, end: true},
		{name: "fatal", in: "{\"fatal\":\"no proc\"}\n", end: true, err: "guest: no proc"},
		{name: "cut", in: "{\"out\":\"a\"}\n{\"exi", out: "a"},
		{name: "noise", in: "[ 1.0] oops\n", err: "bad frame"},
		{name: "noise of a shared port", in: "[ 1.0] oops\n{\"out\":\"a\"}\n{\"exit\":1}\n", shared: true, console: "[ 1.0] oops\n", out: "a", exit: 1, end: true},
		{name: "torn on a shared port", in: "{\"ou[ 1.0] oops\n", shared: true, err: "bad frame"},
		{name: "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r report
			end, err := r.read(strings.NewReader(c.in), c.shared, func() {})
			if end != c.end || r.exit != c.exit || string(r.output) != c.out {
				t.Errorf("end %v, exit %d, output %q", end, r.exit, r.output)
			}
			if c.console != string(r.console) {
				t.Errorf("console %q, want %q", r.console, c.console)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}
