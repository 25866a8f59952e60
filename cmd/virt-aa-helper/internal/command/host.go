// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/goarmor/apparmor/svirt"
)

// methodFor returns the policy for a version of libvirt: that of the newest
// known one that is not newer.
func methodFor(major, minor int) svirt.Method {
	switch v := major*1000 + minor; {
	case v >= 12009:
		return svirt.Compat129
	case v >= 12008:
		return svirt.Compat128
	case v >= 11003:
		return svirt.Compat113
	}
	return svirt.Compat90
}

// libraries are where distributions have libvirt's library.
var libraries = []string{
	"usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/riscv64-linux-gnu", "usr/lib/powerpc64le-linux-gnu",
	"usr/lib/s390x-linux-gnu", "usr/lib/loongarch64-linux-gnu", "usr/lib/arm-linux-gnueabihf", "usr/lib/i386-linux-gnu",
	"usr/lib64", "usr/lib",
}

// hostMethod returns the policy of the libvirt that is installed. The version
// is in the name that the link libvirt.so.0 leads to: libvirt.so.0.11003.0.
// AppArmor lets every program read a link, so this works under libvirt's
// profile for its helper, too.
func hostMethod(host fs.ReadLinkFS) (svirt.Method, bool) {
	for _, dir := range libraries {
		target, err := host.ReadLink(path.Join(dir, "libvirt.so.0"))
		if err != nil {
			continue
		}
		var version, patch int
		if _, err := fmt.Sscanf(path.Base(target), "libvirt.so.0.%d.%d", &version, &patch); err == nil {
			return methodFor(version/1000, version%1000), true
		}
	}
	return svirt.Compat128, false
}

// settingsFile is in the directory of machines' profiles, which libvirt's
// profile for its helper lets it read.
const settingsFile = "virt-aa-helper.conf"

// settings returns what holds if no argument says otherwise: for a libvirtd,
// who gives none of ours, what an administrator wrote into the file of
// settings, and otherwise the policy of the host's libvirt. A line of the file
// is an option without its dashes and its value: "policy strict". Two more, for
// the strict policy, are "sockets" and "backing" with a directory.
func (s store) settings(host fs.ReadLinkFS) (options, error) {
	o := options{loader: "auto"}
	o.method, _ = hostMethod(host)
	text, err := s.read(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		word := strings.Fields(line)
		if len(word) == 0 {
			continue
		}
		set := map[string]func(*options, string) error{"policy": setPolicy, "loader": setLoader, "sockets": setSockets, "backing": setBacking}[word[0]]
		switch {
		case set == nil:
			err = fmt.Errorf("unknown setting %q; it is policy, loader, sockets or backing", word[0])
		case len(word) != 2:
			err = fmt.Errorf("setting %s has %d values and takes one", word[0], len(word)-1)
		default:
			err = set(&o, word[1])
		}
		if err != nil {
			return o, fmt.Errorf("%s:%d: %w", s.path(settingsFile), number, err)
		}
	}
	return o, nil
}

// setSockets takes the directory below which each machine has one of its own,
// of its UUID, for sockets.
func setSockets(o *options, s string) error {
	o.sockets = s
	return checkDirectory("sockets", s)
}

// setBacking adds a directory in which files may be that only images name, not
// the description, as their backing files.
func setBacking(o *options, s string) error {
	o.backing = append(o.backing, s)
	return checkDirectory("backing", s)
}

func checkDirectory(setting, s string) error {
	if !path.IsAbs(s) || path.Clean(s) != s || s == "/" {
		return fmt.Errorf("%s %q: it takes the absolute path of a directory, without parts that are only dots", setting, s)
	}
	return nil
}
