// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/svirt"
)

// TestDevicesDocument holds docs/devices.md against the fields of descriptions
// and the codes of warnings.
func TestDevicesDocument(t *testing.T) {
	data, err := os.ReadFile("../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	inRows := map[string]bool{
		"UUID": true, "Name": true, "ID": true, "Type": true, "Devices": true, "Warnings": true, "Label": true, // no device
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[svirt.Devices](), reflect.TypeFor[svirt.Domain]()} {
		for i := range typ.NumField() {
			if name := typ.Field(i).Name; !inRows[name] && !strings.Contains(text, "`"+name) {
				t.Errorf("%s is not in docs/devices.md", name)
			}
		}
	}
	source, err := os.ReadFile("warning.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`WarningCode = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) == 0 {
		t.Fatal("no codes were found")
	}
	for _, c := range codes {
		if !strings.Contains(text, "| `"+c[1]+"` |") {
			t.Errorf("the code %s is not in docs/devices.md", c[1])
		}
	}
}
