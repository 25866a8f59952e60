// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// helperCase is a run of virt-aa-helper.
type helperCase struct {
	Name       string
	Args       []string
	StdinXML   *string `json:"stdin_xml"`
	Files      json.RawMessage
	RC90       int             `json:"expected_rc"`
	RC128      int             `json:"rc_12_8"`
	Rules90    json.RawMessage `json:"rules_9_0"`
	Rules128   json.RawMessage `json:"rules_12_8"`
	MustNot    []string        `json:"must_not_contain"`
	MustHave   []string        `json:"must_contain"`
	UpstreamRE *string         `json:"upstream_regex"`
}

// dryRun recognizes the runs that derive rules: for a machine as a whole, or
// with one file more. The others are about the command line.
func (c *helperCase) dryRun() (uuid, file string, appended, ok bool) {
	args := c.Args
	if c.StdinXML == nil || len(args) < 4 || args[0] != "-d" && args[0] != "--dryrun" || args[1] != "-c" && args[1] != "-r" || args[2] != "-u" {
		return
	}
	uuid, ok = strings.CutPrefix(args[3], "libvirt-")
	switch {
	case len(args) == 4:
	case len(args) == 6 && (args[4] == "-f" || args[4] == "-F") && strings.HasPrefix(strings.ReplaceAll(args[5], "@TMP@", tmp), "/"):
		file, appended = args[5], args[4] == "-F"
	default:
		ok = false
	}
	return uuid, file, appended, ok && svirt.CheckUUID(uuid) == nil
}

// tmp is the temporary directory of the recorded runs.
const tmp = "/tmp/recorded"

// TestHelperCases derives what virt-aa-helper printed in the runs of its own
// test suite and of more.
func TestHelperCases(t *testing.T) {
	cases := testenv.CorpusLines[helperCase](t, "libvirt_helper-test.jsonl.gz")
	for _, v := range []struct {
		name   string
		policy svirt.Method
	}{{"9.0", svirt.Compat90}, {"12.8", svirt.Compat128}} {
		t.Run(v.name, func(t *testing.T) {
			host := fixture.HostFiles(t, v.name)
			run := 0
			for _, c := range cases {
				uuid, file, appended, ok := c.dryRun()
				if !ok {
					continue
				}
				run++
				rc, want := c.RC90, c.Rules90
				if v.policy == svirt.Compat128 {
					rc = c.RC128
					if string(c.Rules128) != `"same"` {
						want = c.Rules128
					}
				}
				got, err := c.derive(t, v.policy, host, uuid, file, appended)
				if rc != 0 {
					if err == nil {
						t.Errorf("%s: accepted, but the reference refuses it", c.Name)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				var lines []string
				if err := json.Unmarshal(want, &lines); err != nil {
					t.Fatal(err)
				}
				body := strings.ReplaceAll(strings.Join(lines, "\n"), "@TMP@", tmp)
				if body != "" {
					body += "\n"
				}
				if !equal([]byte(got), []byte(body)) {
					t.Errorf("%s: got\n%swant\n%s", c.Name, got, body)
				}
			}
			t.Logf("%d of %d runs derive rules", run, len(cases))
			if run < 120 {
				t.Errorf("only %d runs were recognized", run)
			}
		})
	}
}

// derive returns the rules, or those of the file alone where it is appended to
// the rules of a machine.
func (c *helperCase) derive(t *testing.T, policy svirt.Method, host fstest.MapFS, uuid, file string, appended bool) (string, error) {
	t.Helper()
	files := fstest.MapFS{"tmp": {Mode: fs.ModeDir | 0o755}, tmp[1:]: {Mode: fs.ModeDir | 0o755}}
	for name, f := range host {
		files[name] = f
	}
	var own []struct{ Path, Type string }
	if json.Unmarshal(c.Files, &own) == nil {
		for _, f := range own {
			entry := &fstest.MapFile{Mode: 0o644}
			if f.Type == "dir" {
				entry.Mode = fs.ModeDir | 0o755
			} else if target, ok := strings.CutPrefix(f.Type, "symlink:"); ok {
				entry.Mode, entry.Data = fs.ModeSymlink|0o777, []byte(strings.ReplaceAll(target, "@TMP@", tmp))
			}
			files[strings.ReplaceAll(f.Path, "@TMP@", tmp)[1:]] = entry
		}
	}
	// The tree of these runs had one file less.
	delete(files, "sys/devices/pci0000:00/0000:00:19.0/resource2")
	text := strings.NewReplacer("@TMP@", tmp, "@TMPBASE@", tmp[len("/tmp/"):]).Replace(*c.StdinXML)
	// What the command does before: to libvirt a document ends at the first
	// NUL, and the older one does not believe in UTF-16.
	text, _, _ = strings.Cut(text, "\x00")
	if policy == svirt.Compat90 {
		text = regexp.MustCompile(`(?i)\s+encoding\s*=\s*["']utf-16["']`).ReplaceAllString(text, "")
	}
	d, err := libvirtxml.ParseLive([]byte(text))
	if err != nil {
		return "", err
	}
	if d.UUID != uuid {
		return "", &svirt.IdentityError{What: "uuid", Value: uuid, Reason: "it is not that of the domain"}
	}
	o := svirt.Options{Method: policy, FS: fixture.New(files)}
	before, err := svirt.Derive(context.Background(), d, o)
	if err != nil {
		return "", err
	}
	if file == "" {
		return string(before.AppendText(nil)), nil
	}
	d.Devices.Extra = []svirt.PathGrant{{ID: "file", Path: strings.ReplaceAll(file, "@TMP@", tmp), Perms: "rwk"}}
	after, err := svirt.Derive(context.Background(), d, o)
	if err != nil {
		return "", err
	}
	out := string(after.AppendText(nil))
	if appended {
		out = strings.TrimPrefix(out, string(before.AppendText(nil)))
	}
	return out, nil
}
