// SPDX-License-Identifier: Apache-2.0

package expect_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/expect"
)

// dir writes files into a new directory.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// check checks statements, and returns for each what fails: the problem and the
// message of every failure.
func check(t *testing.T, kernel, policy string, statements ...string) []string {
	t.Helper()
	d := dir(t, map[string]string{"p/policy": policy, "x.expect": "policy p\nkernel " + kernel + "\n" + strings.Join(statements, "\n")})
	report, err := expect.Check(context.Background(), d, expect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Statements) != len(statements) {
		t.Fatalf("%d results of %d statements", len(report.Statements), len(statements))
	}
	var out []string
	for _, r := range report.Statements {
		var all []string
		for _, f := range r.Failures {
			all = append(all, string(f.Problem)+": "+f.Message)
		}
		out = append(out, strings.Join(all, "; "))
	}
	return out
}

// match reports what does not begin as it should. Nothing is expected to fail
// where want is empty.
func match(t *testing.T, what, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.HasPrefix(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

const policy = `abi <kernel>,
profile web /usr/sbin/web {
  /etc/** r,
  deny /etc/ssl/private/** r,
  owner /home/*/www/** rw,
  /var/log/web.log a,
  /usr/bin/helper px,
  /usr/bin/tool ix,
  /lib/*.so mr,
  /run/lock k,
  capability net_bind_service,
  network inet stream,
  signal send set=term peer=web,
  ptrace read peer=web,
  mount fstype=tmpfs -> /tmp/**,
  umount /mnt/,
  pivot_root /new/,
  unix (connect send) type=stream peer=(addr=@bus),
  dbus send bus=system interface=org.example.*,
  mqueue (read open) type=posix /queue,
  userns,
  io_uring sqpoll,
  change_profile -> other,
  link /a/x -> /b/x,
  set rlimit nofile <= 1024,
  ^hat { /hat r, }
}
profile libvirt-00000000-0000-0000-0000-000000000001 {
  /images/1 rw,
  profile child { /etc/shadow r, }
}
profile relaxed flags=(complain) { }
profile old { }
`

// TestStatements checks statements of every class, those that hold and those
// that do not.
func TestStatements(t *testing.T) {
	tests := []struct {
		statement string
		want      string // the failures; empty: it holds
	}{
		{"may read /etc/passwd", ""},
		{"may read /etc/a*", ""},
		{"may read /etc/ssl/**", `denied: profile "web" does not let pass: file read|open /etc/ssl/private/a: denied read|open, quiet`},
		{"must deny read /etc/ssl/private/**", ""},
		{"must deny read /etc/ssl/**", `passes: profile "web" lets pass: file read /etc/ssl/a: allowed`},
		{"must deny write /etc/**", ""},
		{"must deny read,write /var/**", `passes: profile "web" lets pass: file append /var/log/web.log: allowed`},
		{"must deny append /home/**", `passes: profile "web" lets pass: file append /home/a/www/a (owner): allowed`},
		{"may write /home/*/www/a", `denied: profile "web" does not let pass: file write|append|create|delete|open|setattr|chmod|chown /home/a/www/a: denied write|append|create|delete|open|setattr|chmod|chown`},
		{"may owner write /home/*/www/a", ""},
		{"may append /var/log/web.log", ""},
		{"may write,append /home/x", `denied: profile "web" does not let pass: file write|append|create|delete|open|setattr|chmod|chown /home/x: denied write|append|create|delete|open|setattr|chmod|chown`},
		{"may exec /usr/bin/{tool,helper}", ""},
		{"may exec as ix /usr/bin/tool", ""},
		{"may exec as ix /usr/bin/*", `denied: profile "web" does not let pass: file exec /usr/bin/a: denied exec; denied: profile "web" does not let pass: file exec /usr/bin/helper: allowed, px`},
		{"must deny exec as ux /**", ""},
		{"must deny exec as px /usr/bin/*", `passes: profile "web" lets pass: file exec /usr/bin/helper: allowed, px`},
		{"must deny exec /usr/bin/[a-g]*", ""},
		{"may mmap,read /lib/a.so", ""},
		{"must deny mmap /lib/b", ""},
		{"may lock /run/lock", ""},
		{"may capability net_bind_service", ""},
		{"must deny capability", `passes: profile "web" lets pass: capability net_bind_service: allowed`},
		{"must deny capability sys_admin sys_module", ""},
		{"may network inet stream", ""},
		{"must deny network inet6", ""},
		{"must deny network inet", `passes: profile "web" lets pass: network inet stream write|read|create|delete|open|setattr|getattr|accept|bind|listen|setopt|getopt: allowed`},
		{"may signal send set=term peer=web", ""},
		{"must deny signal send set=kill", ""},
		{"must deny signal send", `passes: profile "web" lets pass: signal send term peer=web: allowed`},
		{"may ptrace read peer=web", ""},
		{"must deny ptrace trace", ""},
		{"may mount fstype=tmpfs -> /tmp/a/", ""},
		{"must deny mount fstype=ext4", ""},
		{"may umount /mnt/", ""},
		{"must deny pivot_root /old/", ""},
		{"may pivot_root /new/", ""},
		{"must deny unix bind", ""},
		{"may unix send type=stream peer=(addr=@bus)", ""},
		{"must deny unix send peer=(addr=@b*)", `passes: profile "web" lets pass: unix write stream addr=auto peer addr=@bus: allowed`},
		{"must deny dbus bind", ""},
		{"may dbus send bus=system interface=org.example.a", ""},
		{"must deny dbus send bus=session", ""},
		{"may mqueue read type=posix /queue", ""},
		{"must deny mqueue write type=posix", `not-mediated: kernel 7.3 does not mediate it: no ipc/posix_mqueue in the kernel`},
		{"may userns", ""},
		{"must deny io_uring override_creds", ""},
		{"may io_uring sqpoll", ""},
		{"may change_profile -> other", ""},
		{"must deny change_profile -> unconfined", ""},
		{"must deny change_profile -> oth*", `passes: profile "web" lets pass: change_profile -> other: allowed`},
		{"may link /a/x -> /b/x", ""},
		{"must deny link /a/* -> /c/*", ""},
		{"may set rlimit nofile <= 1024", ""},
		{"must deny set rlimit nofile <= 2048", ""},
		{"may change_hat hat", ""},
		{"must deny change_hat other", ""},
		{"may attach /usr/sbin/web", ""},
		{"must deny attach /usr/sbin/other", ""},
		{"may attach /usr/sbin/other", `denied: profile "web" does not let pass: attach /usr/sbin/other: denied`},
	}
	var statements []string
	for _, tt := range tests {
		statements = append(statements, "profile web "+tt.statement)
	}
	for i, got := range check(t, "7.3", policy, statements...) {
		match(t, tests[i].statement, got, tests[i].want)
	}
}

// TestSubjects checks which profiles a statement is about.
func TestSubjects(t *testing.T) {
	tests := []struct{ statement, want string }{
		{"profile web//hat may read /hat", ""},
		{"profile web//* must deny read /hat", `passes: profile "web//hat" lets pass`},
		{"profile w* must deny write /images/2", ""},
		{"profile no* must deny write /x", `no-profile: no profile has the name no*; there are "libvirt-`},
		{"machine libvirt-* may write /images/1", ""},
		{"machine 00000000-0000-0000-0000-000000000001 may write /images/1", ""},
		{"machine * must deny read /etc/shadow", `passes: profile "libvirt-00000000-0000-0000-0000-000000000001//child" lets pass`},
		{"machine web may read /etc/shadow", `no-profile: no profile has the name libvirt-web`},
		{"profile relaxed must deny write /etc/x", `passes: profile "relaxed" is in mode complain and lets pass`},
		{"profile relaxed may write /etc/x", ""},
	}
	var statements []string
	for _, tt := range tests {
		statements = append(statements, tt.statement)
	}
	for i, got := range check(t, "6.12", policy, statements...) {
		match(t, tests[i].statement, got, tests[i].want)
	}
}

// TestNotMediated checks statements about what the kernel or the policy leaves
// alone: it passes.
func TestNotMediated(t *testing.T) {
	for _, tt := range []struct{ kernel, policy, statement, want string }{
		{"6.1", "profile p { }", "profile p must deny io_uring", `not-mediated: kernel 6.1 does not mediate it`},
		{"6.1", "profile p { }", "profile p may io_uring", ""},
		{"7.3", "abi <abi/3.0>,\nprofile p { }", "profile p must deny userns", `passes: profile "p" lets pass: userns create: not mediated`},
		{"7.3", "abi <kernel>,\nprofile p { }", "profile p must deny userns", ""},
		{"ubuntu-24.04", "abi <kernel>,\nprofile p { mqueue (read open) type=posix /queue, }", "profile p may mqueue (read open) type=posix /queue", ""},
		{"ubuntu-24.04", "abi <kernel>,\nprofile p { mqueue (read open) type=posix /queue, }", "profile p must deny mqueue write type=posix", ""},
		{"ubuntu-24.04", "abi <kernel>,\nprofile p { mqueue (read open) type=posix /queue, }", "profile p must deny mqueue type=posix /q*",
			`passes: profile "p" lets pass: mqueue read|open /queue: allowed`},
		{"6.1 7.3", "abi <kernel>,\nprofile p { }", "profile p must deny userns", `not-mediated: kernel 6.1`},
	} {
		match(t, tt.statement, check(t, tt.kernel, tt.policy, tt.statement)[0], tt.want)
	}
}

// TestCompare checks policy against other policy.
func TestCompare(t *testing.T) {
	const ours = "abi <kernel>,\nprofile a /bin/a { /etc/** r, }\nprofile b { /b r, }\n"
	for _, tt := range []struct{ statement, other, want string }{
		{"covers q", "abi <kernel>,\nprofile a /bin/a { /etc/passwd r, }", ""},
		{"covers q", "abi <kernel>,\nprofile a /bin/a { /etc/passwd w, }", `denied: profile "a" does not let pass: file write|append|create|delete|setattr|chmod|chown /etc/passwd: denied`},
		{"covers q", "abi <kernel>,\nprofile c { }", `no-profile: no profile is in`},
		{"covers q", ours + "profile c { }", `denied: profile "c" differs from that of`},
		{"within q", ours, ""},
		{"within q", "abi <kernel>,\nprofile a /bin/a { /etc/* r, }\nprofile b { /b r, }", `passes: profile "a" lets pass: file read|open /etc/a/: allowed, unlike that of`},
		{"within q", "abi <kernel>,\nprofile a /bin/{a,c} { /** rw, }\nprofile b { /b r, }", `passes: profile "a" lets pass: attach /bin/c: denied, unlike`},
		{"profile b within q", "abi <kernel>,\nprofile b { /* r, }", ""},
		{"within q", "abi <kernel>,\nprofile b { /* r, }", `passes: profile "a" differs from that of`},
	} {
		d := dir(t, map[string]string{"p/policy": ours, "q": tt.other, "x.expect": "policy p\n" + tt.statement})
		report, err := expect.Check(context.Background(), d, expect.Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.statement, err)
			continue
		}
		var got []string
		for _, r := range report.Failed() {
			for _, f := range r.Failures {
				got = append(got, string(f.Problem)+": "+f.Message)
			}
		}
		match(t, tt.statement+", "+tt.other, strings.Join(got, "; "), tt.want)
	}
}

// TestReport holds the text and the JSON of a failure.
func TestReport(t *testing.T) {
	d := dir(t, map[string]string{
		"p/web":    "abi <kernel>,\nprofile web {\n  /etc/** rw,\n}\n",
		"x.expect": "# comment\npolicy p\nkernel 6.12\n\n  profile web must deny write /etc/shadow # why\nprofile web may read /srv/x\n",
	})
	t.Chdir(d)
	report, err := expect.Check(context.Background(), ".", expect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range report.Statements {
		got += r.String()
	}
	const want = `x.expect:5:3: Error: Access that must be denied is allowed

  profile web must deny write /etc/shadow

profile "web" lets pass: file write|append|create|delete|setattr|chmod|chown /etc/shadow: allowed (kernel 6.12)
  p/web:3:3: /etc/** rw,
x.expect:6:1: Error: Access that must be allowed is denied

  profile web may read /srv/x

profile "web" does not let pass: file read|open /srv/x: denied read|open (kernel 6.12)
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"statements":[{"pos":{"file":"x.expect","line":5,"column":3,"offset":`, `"verb":"must deny","holds":false`,
		`"rules":[{"pos":{"file":"p/web","line":3,"column":3,`, `"problem":"denied"`, `"rules":[]`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s lacks %s", text, part)
		}
	}
}

// TestCheckErrors checks what is wrong with the input: no report comes with it.
func TestCheckErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		o     expect.Options
		want  string
	}{
		{name: "no files", files: map[string]string{"p": ""}, want: "no files whose names end in .expect"},
		{name: "no policy", files: map[string]string{"x.expect": "policy none\nprofile p may read /x"}, want: "no such file"},
		{name: "wrong policy", files: map[string]string{"x.expect": "policy p\nprofile p may read /x", "p": "profile {"}, want: "p:1:"},
		{name: "twice", files: map[string]string{"x.expect": "policy p q\nprofile p may read /x", "p": "profile p {}", "q": "profile p {}"}, want: `profile "p" is in`},
		{name: "unknown kernel", files: map[string]string{"x.expect": "policy p\nprofile p may read /x", "p": "profile p {}"}, o: expect.Options{Kernels: []string{"2.6"}}, want: `unknown kernel "2.6"`},
		{name: "no other policy", files: map[string]string{"x.expect": "policy p\ncovers q", "p": "profile p {}"}, want: "x.expect:2:1: "},
		{name: "a wrong pattern", files: map[string]string{"x.expect": "policy p\n profile p may read /x[", "p": "profile p {}"}, want: "x.expect:2:21: "},
		{name: "unknown variable", files: map[string]string{"x.expect": "policy p\nprofile p may read /@{X}", "p": "profile p {}"}, want: "x.expect:2:20: "},
	} {
		d := dir(t, tt.files)
		report, err := expect.Check(context.Background(), d, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || report != nil {
			t.Errorf("%s: %v, %v", tt.name, report, err)
		}
	}
	d := dir(t, map[string]string{"x.expect": "policy p\nprofile p may read /x", "p": "profile p {}"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := expect.Check(ctx, d, expect.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	if _, err := expect.Check(context.Background(), filepath.Join(d, "none"), expect.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	big := dir(t, map[string]string{"x.expect": strings.Repeat("#", expect.MaxBytes+1)})
	if _, err := expect.Check(context.Background(), big, expect.Options{}); !errors.Is(err, diag.ErrLimit) {
		t.Errorf("a file beyond the limit: %v", err)
	}
}
