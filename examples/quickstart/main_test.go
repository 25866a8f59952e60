// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/features"
)

const sampleXML = `<domain type='kvm'>
  <name>mail</name>
  <uuid>A22E3930-D87A-584E-22B2-1D8950212BAC</uuid>
  <memory>524288</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/srv/quickstart/mail.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
`

// table picks the answers from the output of a run.
func table(t *testing.T, args ...string) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	_, rows, ok := strings.Cut(out.String(), "read from the binary:\n")
	if !ok {
		t.Fatalf("no table in:\n%s", out.String())
	}
	answers := map[string]string{}
	for line := range strings.Lines(rows) {
		question, answer, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			continue
		}
		// The sample's directory has another name in every run.
		if i := strings.LastIndex(question, "/quickstart-"); i >= 0 {
			verb, _, _ := strings.Cut(question, "/")
			question = verb + filepath.Base(question[i:])
		}
		answers[question] = strings.TrimSpace(answer)
	}
	return answers
}

func TestSample(t *testing.T) {
	want := map[string]string{
		"read web.qcow2":                    "allowed",
		"write web.qcow2":                   "allowed",
		"run web.qcow2":                     "denied exec",
		"read mail.qcow2":                   "denied read",
		"link it as mail.qcow2":             "denied",
		"read seed.iso":                     "allowed",
		"write seed.iso":                    "denied write",
		"run seed.iso":                      "denied exec",
		"read vmlinuz":                      "allowed",
		"write vmlinuz":                     "denied write",
		"write web.serial":                  "allowed",
		"read /dev/kvm":                     "allowed",
		"read /etc/shadow":                  "denied read",
		"write /usr/bin/qemu-system-x86_64": "denied write",
		"run /bin/sh":                       "denied exec",
		"capability sys_admin":              "denied",
		"capability sys_module":             "denied",
		"socket inet stream":                "allowed",
		"socket packet raw":                 "denied create",
		"signal kill from unconfined":       "allowed",
		"signal kill to unconfined":         "denied send",
		"ptrace unconfined":                 "denied trace",
		"mount /dev/sda1 on /mnt":           "denied",
		"change to unconfined":              "denied change_profile",
	}
	for _, series := range features.Kernels() {
		t.Run(series, func(t *testing.T) {
			if diff := cmp.Diff(want, table(t, "-kernel", series)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestScreen holds all that a first run prints against testdata/screen.txt.
// What depends on the name of the temporary directory, which is another in
// every run, is masked: the name itself, sizes, counts of states, the digest,
// and the width of columns. With UPDATE_GOLDEN set the file is written anew.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, mask := range []struct{ what, by string }{
		{regexp.QuoteMeta(strings.TrimSuffix(os.TempDir(), "/")) + `/quickstart-\d+/`, "/tmp/quickstart-N/"},
		{`\d+( bytes| states)`, "N$1"},
		{`for files, \d+ for`, "for files, N for"},
		{`sha256 [0-9a-f]{64}`, "sha256 N"},
		{`(\S)  +`, "$1  "},
	} {
		got = regexp.MustCompile(mask.what).ReplaceAllString(got, mask.by)
	}
	const golden = "testdata/screen.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// A machine described in XML and the same in JSON get the same answers.
func TestDomain(t *testing.T) {
	dir := t.TempDir()
	xml := filepath.Join(dir, "mail.xml")
	if err := os.WriteFile(xml, []byte(sampleXML), 0o600); err != nil {
		t.Fatal(err)
	}
	domain, err := read(xml)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(domain)
	if err != nil {
		t.Fatal(err)
	}
	js := filepath.Join(dir, "mail.json")
	if err := os.WriteFile(js, data, 0o600); err != nil {
		t.Fatal(err)
	}
	fromXML, fromJSON := table(t, "-domain", xml), table(t, "-domain", js)
	if diff := cmp.Diff(fromXML, fromJSON); diff != "" {
		t.Error(diff)
	}
	if got := fromXML["write /srv/quickstart/mail.img"]; got != "allowed" {
		t.Errorf("the machine's own disk: %q", got)
	}
	if got := fromXML["read /srv/quickstart/mail.qcow2"]; got != "denied read" {
		t.Errorf("a stranger's disk: %q", got)
	}
}

func TestRefused(t *testing.T) {
	const uuid = `"uuid": "a22e3930-d87a-584e-22b2-1d8950212bac", "name": "m"`
	disk := func(path string) string {
		return `{` + uuid + `, "devices": {"disks": [{"id": "vda", "image": {"path": ` + path + `}}]}}`
	}
	for _, test := range []struct{ name, domain, want string }{
		{"nothing", ``, "EOF"},
		{"unknown field", `{` + uuid + `, "disk": 1}`, `unknown field "disk"`},
		{"two values", `{` + uuid + `} {}`, "more text follows"},
		{"no uuid", `{"uuid": "web", "name": "m"}`, "uuid"},
		{"name with a slash", `{"uuid": "a22e3930-d87a-584e-22b2-1d8950212bac", "name": "a/b"}`, "name"},
		{"relative path", disk(`"disk.img"`), "not absolute"},
		{"quote", disk(`"/srv/a\"b"`), "quotation mark"},
		{"glob", disk(`"/srv/*"`), "special in policy"},
		{"variable", disk(`"/srv/@{HOME}"`), "special in policy"},
		{"newline", disk(`"/srv/a\nb"`), "control byte"},
		{"system", disk(`"/etc/passwd"`), "restricted"},
		{"xml without end", `<domain type='kvm'>`, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "domain")
			if err := os.WriteFile(file, []byte(test.domain), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err := run(t.Context(), []string{"-domain", file}, &out)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("it printed: %s", out.String())
			}
		})
	}
	if err := run(t.Context(), []string{"-kernel", "2.6"}, new(bytes.Buffer)); err == nil {
		t.Error("an unknown kernel is accepted")
	}
}
