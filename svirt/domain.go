// SPDX-License-Identifier: Apache-2.0

package svirt

// Domain describes one virtual machine: who it is, and what of the host it
// uses. It is plain data; the zero value of every field means that the machine
// does not have the thing.
//
// The description is not tied to libvirt. A VMM that starts its machines
// without libvirt leaves Type empty and fills in what it knows; paths without a
// field of their own go to Devices.Extra.
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

	Boot    Boot    `json:"boot,omitzero"`    // what it is started from
	Devices Devices `json:"devices,omitzero"` // what it has of the host

	// Emulator is the VMM's own program. Without it the machine may execute
	// Devices.Programs, and the programs that its template grants. Compat
	// grants nothing.
	Emulator string `json:"emulator,omitempty"`
	// CommandLine holds the arguments of the VMM that do not follow from the
	// other fields. Compat grants nothing.
	CommandLine CommandLine `json:"command_line,omitzero"`
	// Memory is where the guest's memory is, if it is in files. Compat grants
	// nothing.
	Memory MemoryBacking `json:"memory,omitzero"`
	// Monitor holds the files of a VMM without libvirt itself. Compat grants
	// nothing.
	Monitor Monitor `json:"monitor,omitzero"`

	// Companions are programs that work for the machine beside the VMM, each
	// under a profile of its own. Compat takes none.
	Companions []Companion `json:"companions,omitempty"`

	// LaunchSecurity is the type of memory encryption: sev, sev-snp, ...
	LaunchSecurity string `json:"launch_security,omitempty"`
	// QuoteService is the unix socket of the service that signs quotes of a
	// machine under TDX. Compat grants nothing.
	QuoteService string `json:"quote_service,omitempty"`
	// Label is how the description wants the machine to be confined.
	Label Label `json:"label,omitzero"`

	// Warnings come from the package that converted the description, such as
	// libvirtxml, and tell what has no field here. Derive returns them with its
	// own.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Label is what libvirt's <seclabel> of the model apparmor says. Every machine
// is confined by the profile of its UUID: Strict refuses a description that
// asks for another one, or for none.
type Label struct {
	Type string `json:"type,omitempty"` // dynamic (also empty), static, none
	// Profile is the name of a static label; empty is that of the machine.
	Profile string `json:"profile,omitempty"`
}

// Boot is what a machine is started from, besides its disks.
type Boot struct {
	Kernel string   `json:"kernel,omitempty"` // path of a kernel that is booted directly
	Initrd string   `json:"initrd,omitempty"` // path of its initial RAM disk
	Shim   string   `json:"shim,omitempty"`   // path of the shim that checks the kernel
	DTB    string   `json:"dtb,omitempty"`    // path of the device tree
	ACPI   []string `json:"acpi,omitempty"`   // ACPI tables
	FWCfg  []string `json:"fw_cfg,omitempty"` // files of fw_cfg entries of sysinfo
	Loader *Loader  `json:"loader,omitempty"` // firmware; nil: the VMM's own
	NVRAM  *Image   `json:"nvram,omitempty"`  // what the firmware keeps its variables in
	// VarStore is the file of UEFI variables in QEMU's JSON form.
	VarStore string `json:"varstore,omitempty"`
}

// Loader is the firmware image.
type Loader struct {
	Path string `json:"path"` // absolute
	// Type is rom (also empty) or pflash. Strict lets a machine write only a
	// pflash that is not ReadOnly.
	Type     string `json:"type,omitempty"`
	ReadOnly bool   `json:"readonly,omitempty"` // the machine does not write it
}

// Devices are the parts of a machine that correspond to something on the host.
//
// Every device may have an ID, unique among those of its kind, by which it is
// removed again (see Device). A device without one is known by its index.
type Devices struct {
	Disks     []Disk    `json:"disks,omitempty"`     // hard disks, CD-ROMs, floppies
	Serials   []Chardev `json:"serials,omitempty"`   // serial ports
	Consoles  []Chardev `json:"consoles,omitempty"`  // those that are not a serial port as well
	Parallels []Chardev `json:"parallels,omitempty"` // parallel ports
	Channels  []Chardev `json:"channels,omitempty"`  // ways from the host into the guest, such as that of an agent
	// Chardevs are further character devices, such as USB redirection, a
	// source of entropy or a smartcard at a socket. Compat grants them
	// nothing, as the reference does.
	Chardevs    []Chardev    `json:"chardevs,omitempty"`
	Graphics    []Graphics   `json:"graphics,omitempty"`     // displays
	HostDevices []HostDevice `json:"host_devices,omitempty"` // USB, PCI, SCSI and mediated devices
	Filesystems []Filesystem `json:"filesystems,omitempty"`  // directories of the host
	Inputs      []Input      `json:"inputs,omitempty"`       // keyboards, mice and the like of the host
	Nets        []Net        `json:"nets,omitempty"`         // network interfaces
	Memory      []Memory     `json:"memory,omitempty"`       // NVDIMMs and other memory devices
	Shmem       []Shmem      `json:"shmem,omitempty"`        // shared memory
	TPMs        []TPM        `json:"tpms,omitempty"`         // trusted platform modules
	Smartcards  []Smartcard  `json:"smartcards,omitempty"`   // readers of smartcards
	PStores     []PStore     `json:"pstores,omitempty"`      // stores for crash dumps
	// Compat grants nothing for Audios, Videos, Vsocks and Cryptos.
	Audios  []Audio  `json:"audios,omitempty"`
	Videos  []Video  `json:"videos,omitempty"`
	Vsocks  []Vsock  `json:"vsocks,omitempty"`
	Cryptos []Crypto `json:"cryptos,omitempty"`
	// Programs are what the machine's processes may execute, the VMM's own
	// binary among it unless the template grants it. Compat grants nothing.
	Programs []Program   `json:"programs,omitempty"`
	Extra    []PathGrant `json:"extra,omitempty"` // paths for which there is no device
}

// ImageType tells where an image is.
type ImageType string

// The image types. Compat grants the first three and nothing for the others.
const (
	ImageFile  ImageType = "file" // also the empty type
	ImageBlock ImageType = "block"
	ImageDir   ImageType = "dir"
	// ImageVHostUser is a disk that another process serves; Path is its unix
	// socket.
	ImageVHostUser ImageType = "vhostuser"
	// ImageVHostVDPA is a disk of the host's vDPA; Path is the node.
	ImageVHostVDPA ImageType = "vhostvdpa"
	// ImageNetwork is reached over a network, or by way of Image.Socket.
	ImageNetwork ImageType = "network"
	// ImageNVMe is an NVMe device that the VMM drives itself: Image.NVMe.
	ImageNVMe ImageType = "nvme"
	// ImageVolume is a volume of a storage pool that was not looked up. Strict
	// refuses it: only the pool knows which file it is.
	ImageVolume ImageType = "volume"
)

// Image is a disk image and what lies under it.
type Image struct {
	Type ImageType `json:"type,omitempty"` // zero: ImageFile
	Path string    `json:"path,omitempty"` // absolute; empty for an empty drive, and for types without a path
	// Volume says that the path comes from a storage pool.
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

	// Protocol is that of an ImageNetwork: nbd, rbd, iscsi, ssh, ...
	Protocol string `json:"protocol,omitempty"`
	// Socket is the unix socket by which an ImageNetwork is reached.
	Socket string `json:"socket,omitempty"`
	// Files are what is read to reach an ImageNetwork: settings, keys, the
	// hosts that are known.
	Files []string `json:"files,omitempty"`
	// NVMe is the device of an ImageNVMe.
	NVMe *NVMe `json:"nvme,omitempty"`
}

// NVMe is an NVMe device that is taken from the host.
type NVMe struct {
	PCI PCIAddress `json:"pci"` // its address
	// IOMMUFD says that the device is reached by its own node and
	// /dev/iommu instead of its VFIO group.
	IOMMUFD bool `json:"iommufd,omitempty"`
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
	Image    Image  `json:"image"`              // the image on top
	ReadOnly bool   `json:"readonly,omitempty"` // cdroms always are
	// Shareable says that other machines may write the image, too. All of them
	// must say so.
	Shareable bool `json:"shareable,omitempty"`
	// Transient says that all writes are thrown away: libvirt keeps them in a
	// file beside the image.
	Transient bool `json:"transient,omitempty"`
	// Mirror is where a job that runs copies the disk to.
	Mirror *Image `json:"mirror,omitempty"`
	// Reservations are SCSI's persistent reservations, nil without them.
	Reservations *Reservations `json:"reservations,omitempty"`
}

// Reservations says who makes persistent reservations of a disk.
type Reservations struct {
	// Socket is that of a qemu-pr-helper which runs for many machines; empty:
	// libvirt starts one for this machine.
	Socket string `json:"socket,omitempty"`
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
	Type ChardevType `json:"type"`           // the host side
	Path string      `json:"path,omitempty"` // of the types that are paths; a pty may have none
	// Log is a file that gets all output of the device. Compat grants nothing
	// for it.
	Log string `json:"log,omitempty"`
}

// Graphics is a display.
type Graphics struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"` // vnc, spice, sdl, egl-headless, dbus, ...
	// RenderNode is the DRM render node; with GL set and none given, the
	// host's first one is taken.
	RenderNode string   `json:"rendernode,omitempty"`
	GL         bool     `json:"gl,omitempty"`      // it is accelerated by a GPU of the host
	Sockets    []string `json:"sockets,omitempty"` // unix sockets that it listens on
	XAuth      string   `json:"xauth,omitempty"`   // of sdl
	// AutoSocket says that it listens on a unix socket that libvirt names.
	AutoSocket bool `json:"auto_socket,omitempty"`
	// Address is the address of a D-Bus bus, as the D-Bus specification has
	// it, of a display of type dbus. P2P says that there is none: clients come
	// as open descriptors. Without either libvirt starts a bus.
	Address string `json:"address,omitempty"`
	P2P     bool   `json:"p2p,omitempty"`
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
	Kind HostDeviceKind `json:"kind"` // which of the fields below count

	USB USBAddress `json:"usb,omitzero"` // of HostUSB
	PCI PCIAddress `json:"pci,omitzero"` // of HostPCI
	// Driver is the driver of a PCI device: vfio (also the empty name), kvm,
	// xen.
	Driver string `json:"driver,omitempty"`
	// IOMMUFD says that the device is reached by its own node and /dev/iommu
	// instead of its VFIO group. Descriptors that libvirt opens are checked
	// again when the VMM gets them, so that it needs the nodes, too.
	IOMMUFD bool   `json:"iommufd,omitempty"`
	MDev    string `json:"mdev,omitempty"` // UUID, of HostMDev
	// SCSI is the address of HostSCSI; nil when the device is reached over
	// the network.
	SCSI *SCSIAddress `json:"scsi,omitempty"`
	// ROM is the file of an option ROM. Compat grants nothing for it.
	ROM string `json:"rom,omitempty"`
	// Optional says that the machine may run without the device if it is missing
	// (startupPolicy optional). Strict then grants nothing and warns.
	Optional bool `json:"optional,omitempty"`
	// Node is the node of HostStorage and HostMisc.
	Node string `json:"node,omitempty"`
}

// SCSIAddress is the address of a SCSI device of the host, which lsscsi writes
// as Host:Bus:Target:Unit.
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

// PCIAddress is the address of a PCI device, which lspci writes as
// Domain:Bus:Slot.Function.
type PCIAddress struct {
	Domain   uint32 `json:"domain"`
	Bus      uint32 `json:"bus"`
	Slot     uint32 `json:"slot"`
	Function uint32 `json:"function"`
}

// Filesystem is a directory of the host that the machine gets: by the VMM
// itself (9p) or by a server of its own (virtiofs), of which the VMM has only the
// socket.
type Filesystem struct {
	ID     string `json:"id,omitempty"`
	Source string `json:"source"` // the directory
	// Driver is path (also empty) for 9p, or virtiofs.
	Driver   string `json:"driver,omitempty"`
	ReadOnly bool   `json:"readonly,omitempty"` // the machine does not write it
	// Socket is the socket of a virtiofsd that libvirt does not start; empty:
	// libvirt starts one, and names the socket.
	Socket string `json:"socket,omitempty"`
}

// Input is an input device of the host, or one that another process serves.
type Input struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path,omitempty"` // the node of an input device of the host
	// Socket is the unix socket of a vhost-user input device. Compat grants
	// nothing for it.
	Socket string `json:"socket,omitempty"`
}

// Net is a network interface.
type Net struct {
	ID string `json:"id,omitempty"`
	// Socket is the unix socket of a vhost-user interface.
	Socket string `json:"socket,omitempty"`
	// VHost says that packets may go through /dev/vhost-net.
	VHost bool `json:"vhost,omitempty"`

	// Compat grants nothing for the fields below.

	// Backend is passt if libvirt starts one for the interface.
	Backend string `json:"backend,omitempty"`
	Log     string `json:"log,omitempty"` // of the backend
	// VHostNode and TapNode are nodes to use instead of /dev/vhost-net and
	// /dev/net/tun; TapNode is also the node of a macvtap interface.
	VHostNode string `json:"vhost_node,omitempty"`
	TapNode   string `json:"tap_node,omitempty"`
	// MACVTap says that the interface is a macvtap, which has a node of its
	// own once it is made.
	MACVTap bool `json:"macvtap,omitempty"`
	// VDPA is the node of an interface of the host's vDPA.
	VDPA string `json:"vdpa,omitempty"`
	ROM  string `json:"rom,omitempty"` // the file of an option ROM
}

// Memory is a memory device.
type Memory struct {
	ID    string `json:"id,omitempty"`
	Model string `json:"model"`          // dimm, nvdimm, virtio-pmem, virtio-mem, sgx-epc
	Path  string `json:"path,omitempty"` // the file or node that backs it; empty: none
	// ReadOnly says that an nvdimm or virtio-pmem is not written. Compat does
	// not look at it.
	ReadOnly bool `json:"readonly,omitempty"`
	// PageKiB is the size of the huge pages that the device is made of, in
	// KiB; 0: it is not. Compat grants nothing for it.
	PageKiB uint64 `json:"page_kib,omitempty"`
}

// Shmem is shared memory between machines.
type Shmem struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name"`            // a file name; of ivshmem-plain that of the file in /dev/shm
	Model string `json:"model,omitempty"` // ivshmem (also empty), ivshmem-plain, ivshmem-doorbell
	// Server is the socket of the server; empty for the default one.
	Server string `json:"server,omitempty"`
}

// TPM is a trusted platform module.
type TPM struct {
	ID      string `json:"id,omitempty"`
	Backend string `json:"backend"`           // emulator, passthrough, external
	Version string `json:"version,omitempty"` // 1.2 or 2.0, of an emulator
	// Path is the device of a passthrough, or the socket of an external one,
	// or of an emulator that runs without libvirt.
	Path string `json:"path,omitempty"`
	// State is where an emulator keeps its state instead of in libvirt's
	// directory: a directory, or with StateFile a file. Compat grants nothing
	// for it.
	State     string `json:"state,omitempty"`
	StateFile bool   `json:"state_file,omitempty"`
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
	Path string `json:"path"` // the file
}

// Program is an executable that may be read, mapped and executed under the
// machine's own profile, such as the VMM's binary or a helper of it. It may be
// where the system keeps programs, which no other device may have, and must
// not be where the machine can write.
type Program struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"` // of the executable
}

// PathGrant is a path that the VMM needs for a reason of its own.
type PathGrant struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path"` // absolute, without wildcards
	// Perms are file permissions: letters of r w a l k m, each at most once,
	// without w and a together. A file to execute is a Program.
	Perms string `json:"perms"`
	// Recursive also grants everything below the directory Path.
	Recursive bool `json:"recursive,omitempty"`
}
