// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	errNoDevice  = errors.New("no such device")
	errAmbiguous = errors.New("more than one such device")
)

// usb finds the node of a USB device. Parts of the address that are zero do
// not count; all others must fit.
func (l *lookup) usb(want USBAddress) (string, error) {
	const dir = "/sys/bus/usb/devices"
	names, err := l.readDir(dir)
	if err != nil {
		return "", err
	}
	byID := want.Vendor != 0 || want.Product != 0
	byPlace := want.Bus != 0 || want.Device != 0 || want.Port != ""
	if !byID && !byPlace {
		return "", errNoDevice
	}
	var found []string
	for _, n := range names {
		if n[0] == '.' || strings.ContainsRune(n, ':') {
			continue // an interface of a device
		}
		at := dir + "/" + n + "/"
		vendor, ok1 := l.number(at+"idVendor", 16)
		product, ok2 := l.number(at+"idProduct", 16)
		bus, ok3 := l.number(at+"busnum", 10)
		dev, ok4 := l.number(at+"devnum", 10)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			continue
		}
		if byID && (vendor != want.Vendor || product != want.Product) {
			continue
		}
		if want.Bus != 0 && bus != want.Bus || want.Device != 0 && dev != want.Device {
			continue
		}
		if want.Port != "" {
			port, err := l.readFile(at+"devpath", 64)
			if err != nil || strings.TrimSpace(string(port)) != want.Port {
				continue
			}
		}
		found = append(found, fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, dev))
	}
	switch len(found) {
	case 0:
		return "", errNoDevice
	case 1:
		return found[0], nil
	}
	return "", errAmbiguous
}

// number reads a file that holds a number.
func (l *lookup) number(path string, base int) (uint32, bool) {
	text, err := l.readFile(path, 64)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), base, 32)
	return uint32(n), err == nil
}
