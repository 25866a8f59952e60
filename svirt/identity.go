// SPDX-License-Identifier: Apache-2.0

package svirt

import "strings"

// profilePrefix is what the names of all machines' profiles begin with.
const profilePrefix = "libvirt-"

// ProfileName returns the name of a machine's profile, libvirt-UUID. The uuid
// must be canonical; the error is an *IdentityError.
func ProfileName(uuid string) (string, error) {
	if err := CheckUUID(uuid); err != nil {
		return "", err
	}
	return profilePrefix + uuid, nil
}

// CheckUUID reports whether s is a UUID in canonical form: 36 bytes, lower
// case, dashes in their four places. Nothing else may become part of a file
// name or a profile name. The error is an *IdentityError.
func CheckUUID(s string) error {
	if len(s) != 36 {
		return &IdentityError{What: "uuid", Value: s, Reason: "it is not 36 bytes long"}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return &IdentityError{What: "uuid", Value: s, Reason: "its dashes are not in their places"}
			}
		default:
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
				return &IdentityError{What: "uuid", Value: s, Reason: "it has a byte other than a lower-case hexadecimal digit"}
			}
		}
	}
	return nil
}

// refusedInNames are the bytes that libvirt's driver refuses in names.
const refusedInNames = "/[]{}?^,\"*"

// checkCompatName reports whether libvirt's driver takes a machine's name.
func checkCompatName(name string) error {
	switch {
	case name == "":
		return &IdentityError{What: "name", Value: name, Reason: "it is empty"}
	case strings.ContainsAny(name, refusedInNames):
		return &IdentityError{What: "name", Value: name, Reason: "it has a byte that is special in paths or policy"}
	}
	return nil
}

// checkName reports whether the method takes a machine's name.
func (o *Options) checkName(name string) error {
	if o.Method != Strict {
		return checkCompatName(name)
	}
	return checkName(name, o.EscapeSpecial)
}

// checkName reports whether name may be a machine's name under Strict: one
// component of a path, without control bytes and, unless they are escaped,
// without those that are special in policy.
func checkName(name string, escape bool) error {
	refuse := func(reason string) error {
		return &IdentityError{What: "name", Value: name, Reason: reason}
	}
	if name == "" {
		return refuse("it is empty")
	}
	if strings.IndexByte(name, '/') >= 0 {
		return refuse("it has a slash")
	}
	if name == "." || name == ".." {
		return refuse("it is not a file name")
	}
	if len(name) > 200 {
		return refuse("it is longer than 200 bytes")
	}
	for i := 0; i < len(name); i++ {
		if name[i] < 0x20 || name[i] == 0x7f {
			return refuse("it has a control byte")
		}
		if class := byteClass[name[i]]; !escape && (class == byteGlob || class == byteQuote) {
			return refuse("it has a byte that is special in policy: Options.EscapeSpecial takes it")
		}
	}
	return nil
}
