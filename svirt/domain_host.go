// SPDX-License-Identifier: Apache-2.0

package svirt

// MemoryBacking tells where the guest's memory is. Anonymous memory and memfd
// take nothing of the host's file systems. NUMA cells take nothing besides:
// their files are where those of all memory are.
type MemoryBacking struct {
	// HugePages are the huge pages that the memory may be in.
	HugePages []HugePages `json:"huge_pages,omitempty"`
	// Source is anonymous (also empty), memfd or file.
	Source string `json:"source,omitempty"`
	// Dir is the directory for Source file: memory_backing_dir of libvirt's
	// qemu.conf, in which every machine has a directory of its own (empty:
	// /var/lib/libvirt/qemu/ram), or the machine's own with a VMM that runs
	// without libvirt.
	Dir string `json:"dir,omitempty"`
}

// HugePages are huge pages of one size.
type HugePages struct {
	SizeKiB uint64 `json:"size_kib,omitempty"` // 0: the host's default
	// Mount is where hugetlbfs of that size is mounted; empty: where it is by
	// custom. With libvirt every machine has a directory in it. A VMM that runs
	// without libvirt must have Dir.
	Mount string `json:"mount,omitempty"`
	// Dir is the directory that the machine has; empty: libvirt's.
	Dir string `json:"dir,omitempty"`
}

// Monitor holds the files of a VMM without libvirt, such as Firecracker or Cloud
// Hypervisor, itself.
type Monitor struct {
	// API are the unix sockets on which it takes commands.
	API []string `json:"api,omitempty"`
	// Logs are files or named pipes that it writes: its log, its metrics.
	Logs []string `json:"logs,omitempty"`
	// Config are files that it reads: settings, metadata, filters.
	Config []string `json:"config,omitempty"`
	// Jail is the directory that pivot_root(2) makes the VMM's root before it
	// opens anything, as Firecracker's jailer does. Paths in the description
	// are the host's all the same, and files in Jail are also granted by the
	// names that they have inside. A VMM that is in a root by chroot(2) alone has
	// none: the kernel knows its files by the names of the host.
	Jail string `json:"jail,omitempty"`
}

// CommandLine holds arguments of a VMM that do not follow from the other fields:
// libvirt's qemu:commandline and qemu:override. Strict grants the files that
// options of QEMU name, and warns of every argument that it does not know. It
// refuses a tenant's command line as a whole.
type CommandLine struct {
	Args []string `json:"args,omitempty"` // in their order, without the VMM's name
	Env  []string `json:"env,omitempty"`  // NAME=VALUE
	// Properties are properties of devices that replace those which follow from
	// their fields.
	Properties []Property `json:"properties,omitempty"`
}

// Property is one property of a device of QEMU.
type Property struct {
	Device string `json:"device"` // alias, for messages
	Name   string `json:"name"`   // as QEMU names it
	Value  string `json:"value"`  // as text
}

// Audio is a way of sound to the host.
type Audio struct {
	ID string `json:"id,omitempty"`
	// Type is none, alsa, coreaudio, dbus, file, jack, oss, pipewire,
	// pulseaudio, sdl, sndio or spice.
	Type string `json:"type"`
	// Server is the socket or the address of a sound server: of pulseaudio.
	Server string `json:"server,omitempty"`
	// RuntimeDir is the directory with the socket of pipewire.
	RuntimeDir string `json:"runtime_dir,omitempty"`
	// Devices are the nodes of oss, and of alsa the nodes or names such as
	// hw:0,0.
	Devices []string `json:"devices,omitempty"`
	Path    string   `json:"path,omitempty"` // of file
}

// Video is a video card of the machine.
type Video struct {
	ID string `json:"id,omitempty"`
	// VHostUser says that another process draws. Socket is its unix socket;
	// empty: libvirt starts it, and gives the VMM an open descriptor.
	VHostUser  bool   `json:"vhost_user,omitempty"`
	Socket     string `json:"socket,omitempty"`
	RenderNode string `json:"rendernode,omitempty"` // DRM render node of that process
	// Blob says that the card shares the guest's memory with the host instead of
	// copying it, which takes /dev/udmabuf. Compat grants nothing for it.
	Blob bool `json:"blob,omitempty"`
}

// Vsock is a connection of sockets between the machine and the host.
type Vsock struct {
	ID string `json:"id,omitempty"`
	// Socket is the unix socket of a vhost-user device, or that by which
	// Firecracker and Cloud Hypervisor take connections of the host. For a
	// connection of the guest to port N they open Socket with _N at its end:
	// Ports are those.
	Socket string   `json:"socket,omitempty"`
	Ports  []uint32 `json:"ports,omitempty"`
}

// Crypto is a device that computes for the guest.
type Crypto struct {
	ID string `json:"id,omitempty"`
	// Backend is builtin (also empty), lkcf or vhost-user.
	Backend string `json:"backend,omitempty"`
	Socket  string `json:"socket,omitempty"` // of vhost-user
}
