// SPDX-License-Identifier: Apache-2.0

package svirt

import "encoding/xml"

// Capabilities is what a manager tells its clients of how it confines machines,
// in libvirt's terms. Its form as XML is the element secmodel of libvirt's
// capabilities (formatcaps.html of libvirt 11.3):
//
//	<secmodel><model>apparmor</model><doi>0</doi></secmodel>
type Capabilities struct {
	// XMLName is that of the element; encoding/xml sets it.
	XMLName xml.Name `xml:"secmodel" json:"-"`
	// Model is the name of the security model: that of the driver, "apparmor"
	// or "none". Labels of machines are of this model.
	Model string `xml:"model" json:"model"`
	// DOI is the domain of interpretation of labels. Those of AppArmor have one
	// meaning everywhere: it is "0", as libvirt's AppArmor driver says.
	DOI string `xml:"doi" json:"doi"`
}

// Capabilities returns what the manager's driver can do.
func (m *Manager) Capabilities() Capabilities {
	return Capabilities{XMLName: xml.Name{Local: "secmodel"}, Model: m.driver.Name(), DOI: "0"}
}
