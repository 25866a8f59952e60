// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
)

func jsonPolicy(t *testing.T, flags, rules string) *query.Policy {
	t.Helper()
	set, _ := features.Kernel("6.12")
	out, err := compile.Text(t.Context(), "p", "abi <kernel>,\nprofile p "+flags+" {\n"+rules+"\n}\n", compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	return query.Open(out.Policy)
}

// TestJSON holds the form of what programs print: keys are stable, lists are
// never null.
func TestJSON(t *testing.T) {
	a := jsonPolicy(t, "", "/a rw,\ndeny /b w,\n/x ix,\ncapability kill,")
	p, _ := a.Profile("p")
	for _, tt := range []struct {
		r    query.Request
		want string
	}{
		{query.File{Path: "/a", Perms: query.Read | query.Append | query.Lock},
			`{"allowed":false,"permitted":false,"mediated":true,"mode":"enforce","request":["read","append","lock"],"allow":["read","append"],"deny":["lock"],` +
				`"prompt":[],"audit":[],"quiet":[],"exec":"","label":"","info":"","text":"denied lock"}`},
		{query.Capability("kill"),
			`{"allowed":true,"permitted":true,"mediated":true,"mode":"enforce","request":[],"allow":[],"deny":[],` +
				`"prompt":[],"audit":[],"quiet":[],"exec":"","label":"","info":"","text":"allowed"}`},
		{query.Execute{Path: "/x"},
			`{"allowed":true,"permitted":true,"mediated":true,"mode":"enforce","request":[],"allow":[],"deny":[],` +
				`"prompt":[],"audit":[],"quiet":[],"exec":"ix","label":"p","info":"","text":"allowed, ix, label p"}`},
	} {
		d, err := p.Ask(tt.r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(d)
		if err != nil || string(got) != tt.want {
			t.Errorf("%v:\n got %s\nwant %s\n%v", tt.r, got, tt.want, err)
		}
	}
	b := jsonPolicy(t, "flags=(complain)", "/a r,")
	diffs, err := a.Diff(t.Context(), b)
	if err != nil || len(diffs) < 2 {
		t.Fatal(diffs, err)
	}
	data, err := json.Marshal(diffs)
	if err != nil || strings.Contains(string(data), "null") {
		t.Fatalf("%s %v", data, err)
	}
	var back []map[string]any
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for i, d := range back {
		_, request := d["request"]
		_, member := d["member"]
		if request == member || d["profile"] != "p" || d["message"] != diffs[i].String() {
			t.Errorf("%v", d)
		}
	}
}
