// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"

	"github.com/goarmor/apparmor/ast"
)

// MachineProfile is the file libvirt/libvirt-UUID: the profile of one machine,
// as a Template made it and as an administrator may have edited it. It is
// never changed and may be shared.
type MachineProfile struct {
	profileDocument
	uuid string
}

// ParseMachineProfile reads the profile of a machine from text, which must
// have just one profile of the name libvirt-UUID at its top. The error is an
// *IdentityError for a bad UUID, otherwise a *FileError.
func ParseMachineProfile(ctx context.Context, uuid, text string) (*MachineProfile, error) {
	if err := CheckUUID(uuid); err != nil {
		return nil, err
	}
	return parseMachineProfile(ctx, libvirtNames, uuid, text)
}

// parseMachineProfile reads the profile of a member of a machine.
func parseMachineProfile(ctx context.Context, n names, member, text string) (*MachineProfile, error) {
	if err := checkMember(member); err != nil {
		return nil, err
	}
	profile := n.profile(member)
	d, err := parseProfileDocument(ctx, n.dir()+"/"+profile, text, profile)
	if err != nil {
		return nil, err
	}
	return &MachineProfile{d, member}, nil
}

// UUID returns the UUID of the machine.
func (p *MachineProfile) UUID() string { return p.uuid }

// Files returns the path in the tree of policy of the machine's own rules; see
// ParseRules for what is there.
func (p *MachineProfile) Files() string { return filesPath(profilePrefix + p.uuid) }

// HasFiles reports whether the profile includes the machine's own rules.
func (p *MachineProfile) HasFiles() bool {
	if p.profile == nil {
		return false
	}
	for n := range ast.All(p.profile) {
		if i, ok := n.(*ast.Include); ok && i.Kind == ast.IncludeMagic && i.Path == p.Files() {
			return true
		}
	}
	return false
}
