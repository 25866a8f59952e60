// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
)

// everything returns all files below the fixture's directory, with what is in
// them, and what is in force.
func (f *fixture) everything(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		key := strings.TrimPrefix(path, f.dir) + " " + info.Mode().String()
		switch {
		case d.IsDir():
			out[key] = ""
		case !info.Mode().IsRegular():
			out[key], err = os.Readlink(path)
		case info.Size() > maxFile:
			out[key] = fmt.Sprint(info.Size(), info.ModTime())
		default:
			var data []byte
			data, err = os.ReadFile(path)
			out[key] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.driver.mu.Lock()
	defer f.driver.mu.Unlock()
	for name, digest := range f.driver.loaded {
		out["loaded "+name] = digest
	}
	return out
}

// writeTree writes files below a directory.
func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRefused runs an operation that must fail and change nothing.
func wantRefused(t *testing.T, f *fixture, op func() error) error {
	t.Helper()
	before := f.everything(t)
	err := op()
	if err == nil {
		t.Error("the operation succeeded, want an error")
	}
	if diff := cmp.Diff(before, f.everything(t)); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}
	return err
}

// TestBadPaths gives every kind of device paths that no machine may have.
func TestBadPaths(t *testing.T) {
	ctx := context.Background()
	paths := map[string]struct {
		path   string
		reason Reason
	}{
		"relative":      {"srv/x", ReasonRelative},
		"dot":           {"./x", ReasonRelative},
		"parent":        {"/srv/../etc/shadow", ReasonUnclean},
		"slashes":       {"/srv//x", ReasonUnclean},
		"quote":         {"/srv/\" rw,\n/** rw, #", ReasonQuote},
		"only a quote":  {"/srv/x\"", ReasonQuote},
		"star":          {"/srv/*", ReasonGlob},
		"question mark": {"/srv/?", ReasonGlob},
		"class":         {"/srv/[a-z]", ReasonGlob},
		"alternation":   {"/srv/{a,b}", ReasonGlob},
		"variable":      {"/srv/@{HOME}/x", ReasonGlob},
		"open variable": {"/srv/@{", ReasonGlob},
		"backslash":     {"/srv/\\x41", ReasonGlob},
		"caret":         {"/srv/^x", ReasonGlob},
		"newline":       {"/srv/a\nb", ReasonControl},
		"return":        {"/srv/a\rb", ReasonControl},
		"NUL":           {"/srv/a\x00b", ReasonControl},
		"escape":        {"/srv/\x1b[2J", ReasonControl},
		"delete":        {"/srv/\x7f", ReasonControl},
		"long":          {"/" + strings.Repeat("x", 5000), ReasonTooLong},
	}
	places := map[DeviceKind]func(d *Domain, path string){
		DeviceBoot:       func(d *Domain, p string) { d.Boot.Kernel = p },
		DeviceDisk:       func(d *Domain, p string) { d.Devices.Disks = []Disk{{ID: "x", Image: Image{Path: p}}} },
		DeviceSerial:     func(d *Domain, p string) { d.Devices.Serials = []Chardev{{ID: "x", Type: ChardevUnix, Path: p}} },
		DeviceGraphics:   func(d *Domain, p string) { d.Devices.Graphics = []Graphics{{ID: "x", Sockets: []string{p}}} },
		DeviceFilesystem: func(d *Domain, p string) { d.Devices.Filesystems = []Filesystem{{ID: "x", Source: p}} },
		DeviceNet:        func(d *Domain, p string) { d.Devices.Nets = []Net{{ID: "x", Socket: p}} },
		DeviceMemory:     func(d *Domain, p string) { d.Devices.Memory = []Memory{{ID: "x", Model: "nvdimm", Path: p}} },
		DeviceProgram:    func(d *Domain, p string) { d.Devices.Programs = []Program{{ID: "x", Path: p}} },
		DeviceExtra:      func(d *Domain, p string) { d.Devices.Extra = []PathGrant{{ID: "x", Path: p, Perms: "rw"}} },
	}
	anew, there := newFixture(t, ManagerOptions{}), newFixture(t, ManagerOptions{})
	if err := there.Create(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	for name, test := range paths {
		for kind, put := range places {
			d := testDomain("/srv/good")
			put(d, test.path)
			ops := map[string]func() error{
				"create anew": func() error { return anew.Create(ctx, d) },
				"replace":     func() error { return there.Replace(ctx, d) },
			}
			if kind != DeviceBoot {
				ops["update"] = func() error { return there.update(ctx, testUUID, Change{Add: d.Devices}) }
			}
			for op, do := range ops {
				t.Run(fmt.Sprintf("%s/%s/%s", name, kind, op), func(t *testing.T) {
					f := there
					if op == "create anew" {
						f = anew
					}
					err := wantRefused(t, f, do)
					var pe *PathError
					if !errors.As(err, &pe) || pe.Reason != test.reason || pe.Device.Kind != kind || pe.Path != test.path {
						t.Errorf("got %v, want %s", err, test.reason)
					}
				})
			}
		}
	}
}

// TestBadIdentities gives machines names and UUIDs that are not valid.
func TestBadIdentities(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	for what, values := range map[string][]string{
		"uuid": {"", "x", strings.ToUpper(testUUID), testUUID[1:], testUUID + "0", strings.ReplaceAll(testUUID, "-", "0"), "../" + testUUID[3:], testUUID[:35] + "\n", testUUID[:35] + "*"},
		"name": {"", "a/b", "..", "a\nb", "a\"b", "a*", "@{x}", "a\\b", "a\x00", strings.Repeat("x", 300)},
		"type": {"../x", "a b", "qemu\n", "@{x}"},
	} {
		for _, v := range values {
			t.Run(fmt.Sprintf("%s=%.40q", what, v), func(t *testing.T) {
				d := testDomain("/srv/b")
				switch what {
				case "uuid":
					d.UUID = v
				case "name":
					d.Name = v
				case "type":
					// The template, and so the type, counts for new machines.
					d.UUID, d.Type = strings.Replace(testUUID, "0", "1", 1), v
				}
				var ie *IdentityError
				if err := wantRefused(t, f, func() error { return f.put(ctx, d) }); !errors.As(err, &ie) || ie.What != what || ie.Value != v {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// TestBadPolicy breaks what profiles are made from and what they include.
func TestBadPolicy(t *testing.T) {
	ctx := context.Background()
	const (
		template = "libvirt/TEMPLATE.qemu"
		good     = "profile LIBVIRT_TEMPLATE {\n  include <abstractions/site>\n}\n"
		large    = 100 << 20 // as content: a file of that size
	)
	largeFile := strings.Repeat("\x00", 8)
	diagnosed := func(code diag.Code, text string) func(error) bool {
		return func(err error) bool {
			var d *diag.Diagnostic
			return errors.As(err, &d) && (code == "" || d.Code == code) && strings.Contains(err.Error(), text)
		}
	}
	file := func(name string, is error) func(error) bool {
		return func(err error) bool {
			var fe *FileError
			return errors.As(err, &fe) && strings.Contains(fe.File, name) && (is == nil || errors.Is(err, is))
		}
	}
	tests := []struct {
		name  string
		files map[string]string // empty: not there
		links map[string]string
		want  func(error) bool
	}{
		{name: "no template", files: map[string]string{template: ""}, want: file(template, fs.ErrNotExist)},
		{name: "no profile", files: map[string]string{template: "# nothing\n"}, want: file(template, nil)},
		{name: "two profiles", files: map[string]string{template: good + good}, want: file(template, nil)},
		{name: "a broken template", files: map[string]string{template: "profile LIBVIRT_TEMPLATE {\n /a r\n}\n"}, want: file(template, nil)},
		{name: "a large template", files: map[string]string{template: largeFile}, want: file(template, diag.ErrLimit)},
		{name: "blocks without end", files: map[string]string{template: "profile LIBVIRT_TEMPLATE " + strings.Repeat("{", 5<<20)}, want: file(template, diag.ErrLimit)},
		{name: "conditions without end", files: map[string]string{template: "profile LIBVIRT_TEMPLATE { if " + strings.Repeat("(", 5<<20)}, want: file(template, diag.ErrLimit)},
		{name: "nots without end", files: map[string]string{template: "profile LIBVIRT_TEMPLATE { if " + strings.Repeat("not ", 1<<20)}, want: file(template, diag.ErrLimit)},
		{name: "children without end", files: map[string]string{template: "profile LIBVIRT_TEMPLATE {" + strings.Repeat("profile a {", 1<<18)}, want: file(template, diag.ErrLimit)},
		{name: "else without end", files: map[string]string{template: "profile LIBVIRT_TEMPLATE { if true { }" + strings.Repeat(" else if true { }", 1<<18)}, want: file(template, diag.ErrLimit)},
		{name: "a deep pattern", files: map[string]string{"abstractions/site": "/" + strings.Repeat("{", 1000) + " r,\n"}, want: diagnosed("", "site")},
		{name: "another profile", files: map[string]string{template: good + "profile other { }\n"}, want: func(err error) bool { return file("", nil)(err) && strings.Contains(err.Error(), "the profile other") }},
		{name: "a longer name", files: map[string]string{template: "profile LIBVIRT_TEMPLATE { }\nprofile LIBVIRT_TEMPLATE_x { }\n"}, want: file("", nil)},
		{name: "no include", files: map[string]string{"abstractions/site": ""}, want: diagnosed("include-not-found", "abstractions/site")},
		{name: "no include of an include", files: map[string]string{"abstractions/site": "include <abstractions/none>\n"}, want: diagnosed("include-not-found", "abstractions/none")},
		{name: "a broken include", files: map[string]string{"abstractions/site": "/a r\n"}, want: diagnosed("", "abstractions/site")},
		{name: "a large include", files: map[string]string{"abstractions/site": largeFile}, want: func(err error) bool {
			return diagnosed("limit", testProfile+":2:3")(err) && errors.Is(err, diag.ErrLimit)
		}},
		{name: "a link in a circle", files: map[string]string{"abstractions/site": ""}, links: map[string]string{"abstractions/site": "site"}, want: diagnosed("", "abstractions/site")},
		{name: "an unknown variable", files: map[string]string{"abstractions/site": "@{none}/a r,\n"}, want: diagnosed("unknown-variable", "none")},
	}
	for _, test := range tests {
		for _, had := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/had=%v", test.name, had), func(t *testing.T) {
				dir := t.TempDir()
				writeTree(t, dir, map[string]string{template: good, "abstractions/site": "/site r,\n"})
				f := newFixture(t, ManagerOptions{Dir: dir, Templates: TemplatesHostOnly})
				if had {
					if err := f.put(ctx, testDomain("/srv/a")); err != nil {
						t.Fatal(err)
					}
					// An empty profile is one to be made anew.
					writeTree(t, dir, map[string]string{"libvirt/" + testProfile: ""})
				}
				for name, text := range test.files {
					path := filepath.Join(dir, name)
					switch text {
					case "":
						if err := os.Remove(path); err != nil {
							t.Fatal(err)
						}
					case largeFile:
						if err := os.Truncate(path, large); err != nil {
							t.Fatal(err)
						}
					default:
						writeTree(t, dir, map[string]string{name: text})
					}
				}
				for name, to := range test.links {
					if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := wantRefused(t, f, func() error {
					defer runtime.ReadMemStats(&after)
					return f.put(ctx, testDomain("/srv/b"))
				})
				if err != nil && !test.want(err) {
					t.Errorf("got %v", err)
				}
				if n := after.TotalAlloc - before.TotalAlloc; test.files[template] == largeFile && n > 1<<20 {
					t.Errorf("%d bytes were allocated to refuse a file for its size", n)
				}
			})
		}
	}
}

// TestBadFiles puts large files in the places of a machine's own.
func TestBadFiles(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{testProfile, testFiles} {
		f := newFixture(t, ManagerOptions{})
		if err := f.put(ctx, testDomain("/srv/a")); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(f.dir, "libvirt", name), 100<<20); err != nil {
			t.Fatal(err)
		}
		for op, do := range map[string]func() error{
			"create": func() error { return f.put(ctx, testDomain("/srv/b")) },
			"update": func() error { return f.update(ctx, testUUID, Change{}) },
			"load":   func() error { return f.Load(ctx, testUUID) },
		} {
			if err := wantRefused(t, f, do); !errors.Is(err, diag.ErrLimit) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %s: %v", name, op, err)
			}
		}
	}
}

// TestIncludeLoop checks that files that include each other are refused, with
// the way that leads around.
func TestIncludeLoop(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name, site string
		want       string // place and text of the error; empty: none
	}{
		{"no loop", "/site r,\n", ""},
		{"twice is not a loop", "include <abstractions/c>\ninclude <abstractions/c>\n", ""},
		{"itself", "/site r,\n  include <abstractions/site>\n", "abstractions/site:2:3 abstractions/site"},
		{"by another", "/site r,\ninclude <abstractions/c>\ninclude <abstractions/b>\n", "abstractions/b:1:1 abstractions/site"},
		{"in a block", "audit { include <abstractions/b> }\n", "abstractions/b:1:1 abstractions/site"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			writeTree(t, dir, map[string]string{
				"libvirt/TEMPLATE.qemu": "profile LIBVIRT_TEMPLATE {\n  include <abstractions/site>\n}\n",
				"abstractions/site":     test.site,
				"abstractions/b":        "include <abstractions/site>\n/b r,\n",
				"abstractions/c":        "/c r,\n",
			})
			f := newFixture(t, ManagerOptions{Dir: dir, Templates: TemplatesHostOnly})
			err := f.put(ctx, testDomain("/srv/a"))
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var file *FileError
			var list diag.List
			if !errors.As(err, &file) || !errors.As(err, &list) {
				t.Fatalf("got %v", err)
			}
			d := list[0]
			if got := d.Pos.String() + " " + d.Text; d.Code != diag.CodeIncludeLoop || got != test.want {
				t.Errorf("got %s %s, want %s", d.Code, got, test.want)
			}
			if len(d.Via) == 0 || len(f.driver.loaded) > 0 {
				t.Errorf("via %v, loaded %v", d.Via, f.driver.loaded)
			}
			if _, err := os.Stat(filepath.Join(dir, "libvirt", testProfile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a profile: %v", err)
			}
		})
	}
}

// endless is a file system whose one file never ends and hides its size.
type endless struct{ fstest.MapFS }

type endlessFile struct{ fs.File }

func (e endless) Open(name string) (fs.File, error) {
	f, err := e.MapFS.Open(name)
	return endlessFile{f}, err
}

func (endlessFile) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// TestEndlessTemplate reads a file that says it is empty.
func TestEndlessTemplate(t *testing.T) {
	root := endless{fstest.MapFS{"t": {}}}
	if _, err := ReadTemplate(context.Background(), []fs.FS{root}, "t"); !errors.Is(err, diag.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

// TestRemoveFaults fails every step of Remove in turn. Until the profile is out
// of force nothing changes; after that a second call takes the rest away.
func TestRemoveFaults(t *testing.T) {
	ctx := context.Background()
	errDriver := errors.New("the kernel says no")
	machine := func(t *testing.T, edited bool) *fixture {
		f := newFixture(t, ManagerOptions{})
		if err := f.put(ctx, testDomain("/srv/a")); err != nil {
			t.Fatal(err)
		}
		if edited {
			writeTree(t, f.dir, map[string]string{"libvirt/" + testProfile: f.state(t)[testProfile] + "# mine\n"})
		}
		return f
	}
	for _, edited := range []bool{false, true} {
		t.Run(fmt.Sprintf("edited=%v", edited), func(t *testing.T) {
			left := map[string]string{}
			if edited {
				left[testProfile] = machine(t, true).state(t)[testProfile]
			}
			second := func(f *fixture, what string) {
				t.Helper()
				if err := f.Remove(ctx, testUUID); err != nil {
					t.Errorf("%s: again: %v", what, err)
				}
				if diff := cmp.Diff(left, f.state(t)); diff != "" {
					t.Errorf("%s: again: %s", what, diff)
				}
			}
			used := 0
			for _, method := range []string{"compile", "load", "unload", "list", "inuse"} {
				f := machine(t, edited)
				f.driver.fail[method] = errDriver
				before := f.state(t)
				err := f.Remove(ctx, testUUID)
				clear(f.driver.fail)
				if err == nil {
					continue // Remove does not use the method
				}
				used++
				if !errors.Is(err, errDriver) {
					t.Errorf("%s: %v", method, err)
				}
				if diff := cmp.Diff(before, f.state(t)); diff != "" {
					t.Errorf("%s: %s", method, diff)
				}
				second(f, method)
			}
			if used != 1 {
				t.Errorf("%d methods of the driver were made to fail, want unload", used)
			}
			steps := 0
			for ; ; steps++ {
				f := machine(t, edited)
				before := f.state(t)
				f.faults.after = steps
				err := f.Remove(ctx, testUUID)
				if err == nil {
					break
				}
				what := fmt.Sprint("change ", steps)
				if !errors.Is(err, errFault) {
					t.Errorf("%s: %v", what, err)
				}
				// Out of force, and each file whole or gone.
				after := f.state(t)
				if _, ok := after["loaded "+testProfile]; ok {
					t.Errorf("%s: the profile is in force", what)
				}
				maps.DeleteFunc(before, func(name, _ string) bool { _, ok := after[name]; return !ok })
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
				if s, err := f.Status(ctx, testUUID); err != nil || s.Loaded {
					t.Errorf("%s: what is left cannot be seen: %+v, %v", what, s, err)
				}
				second(f, what)
				if err := f.put(ctx, testDomain("/srv/a")); err != nil {
					t.Errorf("%s: create again: %v", what, err)
				}
			}
			if want := 2; edited && steps != 1 || !edited && steps != want {
				t.Errorf("%d changes were made to fail", steps)
			}
			f := machine(t, edited)
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			if err := wantRefused(t, f, func() error { return f.Remove(cancelled, testUUID) }); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}
