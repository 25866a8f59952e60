// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"reflect"
	"slices"
	"testing"
)

// TestEveryDevice holds the lists of this package against the fields of
// Devices: a kind that one of them misses would be left out of a change in
// silence.
func TestEveryDevice(t *testing.T) {
	typ := reflect.TypeFor[Devices]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		one := func(id string) (d Devices) {
			list := reflect.ValueOf(&d).Elem().Field(i)
			list.Set(reflect.MakeSlice(list.Type(), 1, 1))
			list.Index(0).FieldByName("ID").SetString(id)
			return d
		}
		d := &Domain{Devices: one("a")}
		var seen []Device
		d.Devices.each(func(dev Device, _ *string) { seen = append(seen, dev) })
		if len(seen) != 1 || seen[0].ID != "a" {
			t.Errorf("%s: each calls for %v", name, seen)
			continue
		}
		if !slices.Contains(deviceKinds, seen[0].Kind) {
			t.Errorf("%s: %q is not in deviceKinds, so that none can be removed", name, seen[0].Kind)
		}
		added := d.with(Change{Add: one("b")})
		if n := reflect.ValueOf(added.Devices).Field(i).Len(); n != 2 {
			t.Errorf("%s: %d after one was added to one", name, n)
		}
		removed := d.with(Change{Remove: seen})
		if n := reflect.ValueOf(removed.Devices).Field(i).Len(); n != 0 {
			t.Errorf("%s: %d after the only one was removed", name, n)
		}
		reflect.ValueOf(&d.clone().Devices).Elem().Field(i).Index(0).FieldByName("ID").SetString("c")
		if got := reflect.ValueOf(d.Devices).Field(i).Index(0).FieldByName("ID").String(); got != "a" {
			t.Errorf("%s: changed through the clone", name)
		}
	}
}
