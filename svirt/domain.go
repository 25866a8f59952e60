// SPDX-License-Identifier: Apache-2.0

package svirt

// Domain describes one virtual machine: who it is, and what of the host it
// uses. It is plain data; the zero value of every field means that the machine
// does not have the thing.
//
// The description is not tied to libvirt. A VMM that starts its machines
// without libvirt leaves Type empty and fills in what it knows; what has no
// field of its own goes to Devices.Extra.
type Domain struct {
	// UUID is the canonical lower-case form; it names the profile.
	UUID string `json:"uuid"`
	// Name is the machine's name. It is part of the paths of libvirt's
	// runtime files and must be a file name.
	Name string `json:"name"`
	// ID is libvirt's number of a running machine; nil when it has none. See
	// Options.Live for who may give it.
	ID *int `json:"id,omitempty"`
	// Type is libvirt's virtualization type (kvm, qemu, lxc, ...). It decides
	// which runtime files libvirt keeps for the machine, and which template
	// its profile is made from (see TemplateFor); empty means a VMM
	// without libvirt, which has no such files. A VMM with a template of its
	// own has a type of its own.
	Type string `json:"type,omitempty"`

	Boot    Boot    `json:"boot,omitzero"`
	Devices Devices `json:"devices,omitzero"`

	// LaunchSecurity is the type of memory encryption: sev, sev-snp, ...
	LaunchSecurity string `json:"launch_security,omitempty"`

	// Warnings are of whoever made the description out of something else, for
	// what it has no fields for. Derive returns them with its own.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Boot is what a machine is started from, besides its disks.
type Boot struct {
	Kernel string   `json:"kernel,omitempty"`
	Initrd string   `json:"initrd,omitempty"`
	Shim   string   `json:"shim,omitempty"`
	DTB    string   `json:"dtb,omitempty"`
	ACPI   []string `json:"acpi,omitempty"`   // ACPI tables
	FWCfg  []string `json:"fw_cfg,omitempty"` // files of fw_cfg entries of sysinfo
	Loader *Loader  `json:"loader,omitempty"`
	NVRAM  *Image   `json:"nvram,omitempty"`
	// VarStore is the file of UEFI variables in QEMU's JSON form.
	VarStore string `json:"varstore,omitempty"`
}

// Loader is the firmware image.
type Loader struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"readonly,omitempty"`
}

// Devices are the parts of a machine that correspond to something on the host.
//
// Every device may have an ID, unique among those of its kind, by which it is
// removed again (see Device). A device without one is known by its index.
type Devices struct {
	Disks     []Disk    `json:"disks,omitempty"`
	Serials   []Chardev `json:"serials,omitempty"`
	Consoles  []Chardev `json:"consoles,omitempty"` // those that are not a serial port as well
	Parallels []Chardev `json:"parallels,omitempty"`
	Channels  []Chardev `json:"channels,omitempty"`
	// Chardevs are further character devices, such as USB redirection, a
	// source of entropy or a smartcard at a socket. Compat grants them
	// nothing, as the reference does.
	Chardevs    []Chardev    `json:"chardevs,omitempty"`
	Graphics    []Graphics   `json:"graphics,omitempty"`
	HostDevices []HostDevice `json:"host_devices,omitempty"`
	Filesystems []Filesystem `json:"filesystems,omitempty"`
	Inputs      []Input      `json:"inputs,omitempty"`
	Nets        []Net        `json:"nets,omitempty"`
	Memory      []Memory     `json:"memory,omitempty"`
	Shmem       []Shmem      `json:"shmem,omitempty"`
	TPMs        []TPM        `json:"tpms,omitempty"`
	Smartcards  []Smartcard  `json:"smartcards,omitempty"`
	PStores     []PStore     `json:"pstores,omitempty"`
	// Programs are what the machine's processes may execute, the VMM's own
	// binary among it unless the template grants it. Compat grants nothing.
	Programs []Program   `json:"programs,omitempty"`
	Extra    []PathGrant `json:"extra,omitempty"`
}

// ImageType tells where an image is.
type ImageType string

// The image types that are paths on this host. Every other type, such as
// network, nvme or volume, grants nothing.
const (
	ImageFile  ImageType = "file" // also the empty type
	ImageBlock ImageType = "block"
	ImageDir   ImageType = "dir"
)

// Image is a disk image and what lies under it.
type Image struct {
	Type ImageType `json:"type,omitempty"`
	Path string    `json:"path,omitempty"`
	// Volume says that the path was found by way of a storage pool.
	Volume bool `json:"volume,omitempty"`
	// Format is raw, qcow, qcow2, qed, vmdk, ... Only an image with a format
	// that can have a backing file is probed for one; an image without a
	// format counts as raw.
	Format string `json:"format,omitempty"`
	// Backing is the image below, if the description has it.
	Backing *Image `json:"backing,omitempty"`
	// Complete says that the chain ends here when Backing is nil, so that the
	// image is not probed for more.
	Complete bool `json:"complete,omitempty"`
	// Data is the external data file, if the description has it.
	Data *Image `json:"data,omitempty"`
}

// local reports whether the image is a path on this host.
func (i *Image) local() bool {
	switch i.Type {
	case "", ImageFile, ImageBlock, ImageDir:
		return i.Path != ""
	}
	return false
}

// Disk is a disk of any kind. An empty drive has an Image without a path.
type Disk struct {
	ID       string `json:"id,omitempty"`
	Image    Image  `json:"image"`
	ReadOnly bool   `json:"readonly,omitempty"` // cdroms always are
	// Shareable says that other machines may write the image, too. All of them
	// must say so.
	Shareable bool `json:"shareable,omitempty"`
}

// ChardevType is the host side of a character device.
type ChardevType string

// The character devices that are paths on the host. Every other type, such as
// tcp, null or spicevmc, grants nothing.
const (
	ChardevPTY  ChardevType = "pty"
	ChardevDev  ChardevType = "dev"
	ChardevFile ChardevType = "file"
	ChardevPipe ChardevType = "pipe" // Path.in and Path.out
	ChardevUnix ChardevType = "unix"
)

// local reports whether the type is a path on the host.
func (t ChardevType) local() bool {
	switch t {
	case ChardevPTY, ChardevDev, ChardevFile, ChardevPipe, ChardevUnix:
		return true
	}
	return false
}

// Chardev is a serial or parallel port, a console or a channel.
type Chardev struct {
	ID   string      `json:"id,omitempty"`
	Type ChardevType `json:"type"`
	Path string      `json:"path,omitempty"`
}

// Graphics is a display.
type Graphics struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"` // vnc, spice, sdl, egl-headless, dbus, ...
	// RenderNode is the DRM render node; with GL set and none given, the
	// host's first one is taken.
	RenderNode string   `json:"rendernode,omitempty"`
	GL         bool     `json:"gl,omitempty"`
	Sockets    []string `json:"sockets,omitempty"` // unix sockets that it listens on
	XAuth      string   `json:"xauth,omitempty"`   // of sdl
}

// HostDeviceKind is the kind of a device of the host that the machine gets.
type HostDeviceKind string

// The kinds of host devices.
const (
	HostUSB      HostDeviceKind = "usb"
	HostPCI      HostDeviceKind = "pci"
	HostMDev     HostDeviceKind = "mdev"
	HostSCSI     HostDeviceKind = "scsi"
	HostSCSIHost HostDeviceKind = "scsi_host"
	// The devices of mode capabilities, which containers get.
	HostStorage HostDeviceKind = "storage"
	HostMisc    HostDeviceKind = "misc"
	HostNet     HostDeviceKind = "net"
)

// HostDevice is a device of the host that the machine gets.
type HostDevice struct {
	ID   string         `json:"id,omitempty"`
	Kind HostDeviceKind `json:"kind"`

	USB USBAddress `json:"usb,omitzero"` // of HostUSB
	PCI PCIAddress `json:"pci,omitzero"` // of HostPCI
	// Driver is the driver of a PCI device: vfio (also the empty name), kvm,
	// xen.
	Driver string `json:"driver,omitempty"`
	// IOMMUFD says that the VMM gets the device as an open descriptor.
	IOMMUFD bool   `json:"iommufd,omitempty"`
	MDev    string `json:"mdev,omitempty"` // UUID, of HostMDev
	// SCSI is the address of HostSCSI; nil when the device is reached over
	// the network.
	SCSI *SCSIAddress `json:"scsi,omitempty"`
}

// SCSIAddress is the address of a SCSI device of the host.
type SCSIAddress struct {
	Host   uint32 `json:"host"`
	Bus    uint32 `json:"bus"`
	Target uint32 `json:"target"`
	Unit   uint64 `json:"unit"`
}

// USBAddress finds a USB device: by Bus and Device, by Bus and Port, by Vendor
// and Product, or by several of them, which must then agree.
type USBAddress struct {
	Bus     uint32 `json:"bus,omitempty"`
	Device  uint32 `json:"device,omitempty"`
	Port    string `json:"port,omitempty"` // 1.2.3
	Vendor  uint32 `json:"vendor,omitempty"`
	Product uint32 `json:"product,omitempty"`
}

// PCIAddress is the address of a PCI device.
type PCIAddress struct {
	Domain   uint32 `json:"domain"`
	Bus      uint32 `json:"bus"`
	Slot     uint32 `json:"slot"`
	Function uint32 `json:"function"`
}

// Filesystem is a directory that the VMM itself shares with the machine (9p).
// What a server of its own shares (virtiofs) is no concern of the VMM's.
type Filesystem struct {
	ID       string `json:"id,omitempty"`
	Source   string `json:"source"`
	ReadOnly bool   `json:"readonly,omitempty"`
}

// Input is an input device of the host.
type Input struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"`
}

// Net is a network interface.
type Net struct {
	ID string `json:"id,omitempty"`
	// Socket is the unix socket of a vhost-user interface.
	Socket string `json:"socket,omitempty"`
	// VHost says that packets may go through /dev/vhost-net.
	VHost bool `json:"vhost,omitempty"`
}

// Memory is a memory device.
type Memory struct {
	ID    string `json:"id,omitempty"`
	Model string `json:"model"` // nvdimm, virtio-pmem, sgx-epc, ...
	Path  string `json:"path,omitempty"`
}

// Shmem is shared memory between machines.
type Shmem struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name"`
	Model string `json:"model,omitempty"` // ivshmem (also empty), ivshmem-plain, ivshmem-doorbell
	// Server is the socket of the server; empty for the default one.
	Server string `json:"server,omitempty"`
}

// TPM is a trusted platform module.
type TPM struct {
	ID      string `json:"id,omitempty"`
	Backend string `json:"backend"`           // emulator, passthrough, external
	Version string `json:"version,omitempty"` // 1.2 or 2.0, of an emulator
	// Path is the device of a passthrough, or the socket of an external one.
	Path string `json:"path,omitempty"`
}

// Smartcard is a smartcard reader.
type Smartcard struct {
	ID   string `json:"id,omitempty"`
	Mode string `json:"mode"` // host, host-certificates, passthrough
	// Database is the directory of the certificates, of host-certificates.
	Database string `json:"database,omitempty"`
}

// PStore is a store for the guest's crash dumps.
type PStore struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"`
}

// Program is an executable that may be read, mapped and executed under the
// machine's own profile, such as the VMM's binary or a helper of it. It may be
// where the system keeps programs, which no other device may have, and must
// not be where the machine can write.
type Program struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"`
}

// PathGrant is a path that the VMM needs for a reason of its own.
type PathGrant struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"`
	// Perms are file permissions: letters of r w a l k m, each at most once,
	// without w and a together. What is executed is a Program.
	Perms string `json:"perms"`
	// Recursive also grants what is below the directory Path.
	Recursive bool `json:"recursive,omitempty"`
}
