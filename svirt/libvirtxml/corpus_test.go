// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// TestCorpus derives the rules of every domain of the corpus as virt-aa-helper
// 9.0 and 12.8 did.
func TestCorpus(t *testing.T) {
	corpus := testenv.CorpusFS(t, "libvirt_domains.tar.gz")
	var names []string
	for name := range corpus {
		if base, ok := strings.CutSuffix(name, ".xml"); ok {
			names = append(names, base)
		}
	}
	sort.Strings(names)
	for _, v := range []struct {
		name   string
		policy svirt.Method
	}{{"9.0", svirt.Compat90}, {"12.8", svirt.Compat128}} {
		t.Run(v.name, func(t *testing.T) {
			fsys := fixture.Host(t, v.name)
			exact, accepted, more := 0, 0, 0
			for _, base := range names {
				got, err := derive(corpus[base+".xml"].Data, svirt.Options{Method: v.policy, FS: fsys})
				file, want := corpus[base+".rules-"+v.name]
				if want {
					accepted++
				}
				switch {
				case want && err != nil:
					t.Errorf("%s: refused: %v", base, err)
				case !want && err == nil:
					// libvirt refuses documents for reasons that do not concern
					// confinement.
					more++
				case want && !equal(got, file.Data):
					t.Errorf("%s: got\n%swant\n%s", base, got, file.Data)
				default:
					exact++
				}
			}
			t.Logf("%d of %d domains as the reference, which takes %d; %d that it refuses are taken", exact, len(names), accepted, more)
			if more > len(names)/10 {
				t.Errorf("%d domains that the reference refuses are taken", more)
			}
		})
	}
}

func derive(data []byte, o svirt.Options) ([]byte, error) {
	// To libvirt a document ends at the first NUL.
	data, _, _ = bytes.Cut(data, []byte{0})
	d, err := libvirtxml.ParseLive(data)
	if err != nil {
		return nil, err
	}
	rules, err := svirt.Derive(context.Background(), d, o)
	if err != nil {
		return nil, err
	}
	return rules.AppendText(nil), nil
}

// equal compares two bodies. The files of PCI devices come in the order of a
// directory of the machine that the corpus was recorded on, so they are
// compared as a set.
func equal(a, b []byte) bool {
	return bytes.Equal(sortPCI(a), sortPCI(b))
}

func sortPCI(body []byte) []byte {
	lines := bytes.SplitAfter(body, []byte{'\n'})
	pci := func(l []byte) bool { return bytes.HasPrefix(l, []byte(`  "/sys/devices/pci`)) }
	for i := 0; i < len(lines); i++ {
		j := i
		for j < len(lines) && pci(lines[j]) {
			j++
		}
		if j > i {
			slices.SortFunc(lines[i:j], bytes.Compare)
			i = j
		}
	}
	return bytes.Join(lines, nil)
}
