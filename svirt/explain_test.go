// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const (
	explainUUID    = "3f0a9c4e-6a3c-4a57-9d2b-0f4c1e2d3a4b"
	explainProfile = "libvirt-" + explainUUID
)

// explainHost has images, and one that nobody has described.
var explainHost = fstest.MapFS{
	"srv/vm/web.raw": {Data: make([]byte, 512)}, "srv/vm/cd.iso": {Data: make([]byte, 512)},
	"srv/vm/base.raw": {Data: make([]byte, 512)}, "var/x": {Mode: fs.ModeDir},
	"etc/shadow": {Data: []byte("x")},
}

// explainManager manages one machine with two disks.
func explainManager(t testing.TB) *svirt.Manager {
	t.Helper()
	m, err := svirt.New(t.Context(), svirt.ManagerOptions{
		Dir: t.TempDir(), Driver: svirttest.NewKernel(nil), Derive: svirt.Options{FS: explainHost},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &svirt.Domain{UUID: explainUUID, Name: "web", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{
		{ID: "vda", Image: svirt.Image{Path: "/srv/vm/web.raw", Format: "raw"}},
		{ID: "sda", Image: svirt.Image{Path: "/srv/vm/cd.iso", Format: "raw"}, ReadOnly: true},
	}}}
	if err := m.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return m
}

// denial is the record of a machine's denial.
func denial(t testing.TB, fields string) *audit.Event {
	t.Helper()
	e, err := audit.Parse(`audit: type=1400 audit(1.000:1): apparmor="DENIED" profile="` + explainProfile + `" pid=7 comm="qemu" ` + fields)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExplain goes through the classes of requests. A rule that is proposed must
// allow the request, on a kernel that mediates all classes.
func TestExplain(t *testing.T) {
	m := explainManager(t)
	for name, tt := range map[string]struct {
		fields    string
		advice    svirt.AdviceCode
		device    string
		rule      string
		grantable bool
	}{
		"allowed now": {fields: `operation="open" class="file" name="/srv/vm/web.raw" requested_mask="wr" denied_mask="w" fsuid=0 ouid=0`,
			advice: svirt.AdviceLoad, device: "disk vda"},
		"an image that is only read": {fields: `operation="open" class="file" name="/srv/vm/cd.iso" requested_mask="w" denied_mask="w" fsuid=0 ouid=1`,
			advice: svirt.AdviceDevice, device: "disk sda", rule: "/srv/vm/cd.iso w,", grantable: true},
		"a backing file": {fields: `operation="open" class="file" name="/srv/vm/base.raw" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			advice: svirt.AdviceAdd, device: "disk sda", rule: "owner /srv/vm/base.raw r,", grantable: true},
		"a blank": {fields: `operation="open" class="file" name=2F7372762F766D2F612062 requested_mask="r" denied_mask="r" fsuid=0 ouid=1`,
			advice: svirt.AdviceAdd, device: "disk sda", rule: `"/srv/vm/a b" r,`, grantable: true},
		"a star": {fields: `operation="open" class="file" name="/srv/vm/a*" requested_mask="r" denied_mask="r" fsuid=0 ouid=1`,
			advice: svirt.AdviceRefused, device: "disk sda", rule: `/srv/vm/a\* r,`},
		"a path that no machine may have": {fields: `operation="open" class="file" name="/etc/shadow" requested_mask="r" denied_mask="r" fsuid=0 ouid=1`,
			advice: svirt.AdviceRefused, rule: "/etc/shadow r,"},
		"exec": {fields: `operation="exec" class="file" name="/bin/sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`,
			advice: svirt.AdviceAdd, rule: "owner /bin/sh ix,"},
		"link": {fields: `operation="link" class="file" name="/srv/vm/l" target="/srv/vm/t" requested_mask="l" denied_mask="l" fsuid=0 ouid=0`,
			advice: svirt.AdviceAdd, device: "disk sda", rule: "link /srv/vm/l -> /srv/vm/t,", grantable: true},
		"capability": {fields: `operation="capable" class="cap" capability=21 capname="sys_admin"`,
			advice: svirt.AdviceTemplate, rule: "capability sys_admin,"},
		"network": {fields: `operation="create" class="net" family="ax25" sock_type="dgram" protocol=0 requested="create" denied="create"`,
			advice: svirt.AdviceTemplate, rule: "network ax25 dgram,"},
		"signal": {fields: `operation="signal" class="signal" requested_mask="send" denied_mask="send" signal=term peer="other"`,
			advice: svirt.AdviceTemplate, rule: "signal send set=term peer=other,"},
		"ptrace": {fields: `operation="ptrace" class="ptrace" requested_mask="trace" denied_mask="trace" peer="other"`,
			advice: svirt.AdviceTemplate, rule: "ptrace trace peer=other,"},
		"mount": {fields: `operation="mount" class="mount" name="/var/x/" fstype="tmpfs" srcname="tmpfs" flags="rw, nosuid"`,
			advice: svirt.AdviceTemplate, rule: "mount fstype=tmpfs options=nosuid tmpfs -> /var/x/,"},
		"mount without flags": {fields: `operation="mount" class="mount" name="/var/x/" fstype="tmpfs" srcname="tmpfs" flags="rw"`,
			advice: svirt.AdviceTemplate, rule: "mount fstype=tmpfs tmpfs -> /var/x/,"},
		"bind": {fields: `operation="mount" class="mount" name="/var/x/" srcname="/srv/" flags="rw, bind"`,
			advice: svirt.AdviceTemplate, rule: "mount options=bind /srv/ -> /var/x/,"},
		"umount": {fields: `operation="umount" class="mount" name="/var/x/"`,
			advice: svirt.AdviceTemplate, rule: "umount /var/x/,"},
		"rlimit": {fields: `operation="setrlimit" class="rlimits" rlimit=nofile value=128`, advice: svirt.AdviceLoad},
		"change_profile": {fields: `operation="change_profile" class="file" name="other"`,
			advice: svirt.AdviceTemplate, rule: "change_profile -> other,"},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := m.Explain(t.Context(), denial(t, tt.fields))
			if err != nil {
				t.Fatal(err)
			}
			device := ""
			if x.Device != (svirt.Device{}) {
				device = x.Device.String()
			}
			if x.UUID != explainUUID || x.Advice.Code != tt.advice || x.Advice.Text == "" || device != tt.device || x.Rule != tt.rule || x.Grantable != tt.grantable {
				t.Errorf("%+v", x)
			}
			if tt.advice == svirt.AdviceRefused && x.Refused == nil {
				t.Errorf("not refused: %+v", x)
			}
			if x.Rule != "" && !allows(t, x.Rule, x.Request) {
				t.Errorf("%s does not allow %v", x.Rule, x.Request)
			}
			if x.Rule != "" && allows(t, "", x.Request) {
				t.Errorf("%v is allowed without a rule", x.Request)
			}
		})
	}
}

// allows reports whether a profile with one rule allows a request.
func allows(t *testing.T, rule string, r query.Request) bool {
	t.Helper()
	set, _ := features.Kernel("7.3")
	out, err := compile.Text(t.Context(), "p", "abi <kernel>,\nprofile p {\n"+rule+"\n}\n", compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := query.Open(out.Policy).Profile("p")
	d, err := p.Ask(r)
	if err != nil {
		t.Fatal(err)
	}
	return d.Allowed()
}

// TestExplainErrors: what is not a denial of a machine of this manager.
func TestExplainErrors(t *testing.T) {
	m := explainManager(t)
	for name, tt := range map[string]struct {
		line string
		is   func(error) bool
	}{
		"somebody else's":     {`apparmor="DENIED" operation="open" class="file" profile="nginx" name="/a" requested_mask="r" denied_mask="r"`, matches(svirt.ErrNotFound)},
		"no such machine":     {`apparmor="DENIED" operation="open" class="file" profile="libvirt-00000000-0000-4000-8000-000000000000" name="/a" requested_mask="r" denied_mask="r"`, matches(svirt.ErrNotFound)},
		"no such child":       {`apparmor="DENIED" operation="open" class="file" profile="` + explainProfile + `//none" name="/a" requested_mask="r" denied_mask="r"`, matches(svirt.ErrNotFound)},
		"not a name":          {`apparmor="DENIED" operation="open" class="file" profile="libvirt-../x" name="/a" requested_mask="r" denied_mask="r"`, matches(svirt.ErrNotFound)},
		"a disconnected path": {`apparmor="DENIED" operation="open" class="file" profile="` + explainProfile + `" name="srv/a" requested_mask="r" denied_mask="r"`, isA[*audit.NoRequestError]},
		"a status":            {`apparmor="STATUS" operation="profile_load" profile="` + explainProfile + `" name="x"`, isA[*audit.NoRequestError]},
	} {
		e, err := audit.Parse("audit: type=1400 audit(1.000:1): " + tt.line)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := m.Explain(t.Context(), e); x != nil || !tt.is(err) {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Explain(gone, denial(t, `operation="capable" class="cap" capability=21 capname="sys_admin"`)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	none, err := svirt.New(t.Context(), svirt.ManagerOptions{Dir: t.TempDir(), Driver: svirt.None{}, Derive: svirt.Options{FS: explainHost}})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.Create(t.Context(), &svirt.Domain{UUID: explainUUID, Name: "web", Type: "kvm"}); err != nil {
		t.Fatal(err)
	}
	if _, err := none.Explain(t.Context(), denial(t, `operation="capable" class="cap" capability=21 capname="sys_admin"`)); !errors.Is(err, svirt.ErrUnconfined) {
		t.Error(err)
	}
}

func matches(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// A denial, and what can be done about it.
func ExampleManager_Explain() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			log.Print(err)
		}
	}()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: svirttest.NewKernel(nil), Derive: svirt.Options{FS: explainHost}})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	machine := &svirt.Domain{UUID: explainUUID, Name: "web", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{
		{ID: "sda", Image: svirt.Image{Path: "/srv/vm/cd.iso", Format: "raw"}, ReadOnly: true},
	}}}
	if err := manager.Create(ctx, machine); err != nil {
		log.Fatal(err)
	}
	// A program takes events from audit.Watch.
	event, err := audit.Parse(`audit: type=1400 audit(1.000:1): apparmor="DENIED" operation="open" class="file" profile="libvirt-` + explainUUID +
		`" name="/srv/vm/cd.iso" pid=7 comm="qemu" requested_mask="w" denied_mask="w" fsuid=0 ouid=1`)
	if err != nil {
		log.Fatal(err)
	}
	x, err := manager.Explain(ctx, event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x.Request, "-", x.Decision)
	fmt.Println(x.Rule)
	fmt.Println(x.Advice.Text)
	// Output:
	// file write /srv/vm/cd.iso - denied write
	// /srv/vm/cd.iso w,
	// The disk sda has the path, with fewer permissions. If the machine needs more, such as for an image that is not only read, change the device with Update.
}
