// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"

	"github.com/goarmor/apparmor/blob"
)

// MountFlags are the MS_ flags of mount(2).
type MountFlags uint32

// The flags that choose the kind of a mount, and a few more.
const (
	MountReadOnly   MountFlags = 1 << 0
	MountNoSuid     MountFlags = 1 << 1
	MountNoDev      MountFlags = 1 << 2
	MountNoExec     MountFlags = 1 << 3
	MountRemount    MountFlags = 1 << 5
	MountBind       MountFlags = 1 << 12
	MountMove       MountFlags = 1 << 13
	MountRec        MountFlags = 1 << 14
	MountSilent     MountFlags = 1 << 15
	MountUnbindable MountFlags = 1 << 17
	MountPrivate    MountFlags = 1 << 18
	MountSlave      MountFlags = 1 << 19
	MountShared     MountFlags = 1 << 20

	mountPropagation = MountUnbindable | MountPrivate | MountSlave | MountShared
	// mountDropped are flags that the kernel takes away first: it uses them
	// for itself.
	mountDropped MountFlags = 1<<22 | 1<<28 | 1<<29 | 1<<30
	mountMagic   MountFlags = 0xffff0000
	mountMagicIs MountFlags = 0xc0ed0000
)

// The permissions of the mount class.
const (
	pivotPerm    Access = 1 << 0
	mountPerm    Access = 1 << 1
	umountPerm   Access = 1 << 2
	mountGoOn    Access = 1 << 6 // the data has a say
	mountByteMax        = 32
)

// Mount asks for mount(2). Paths of directories end in a slash.
type Mount struct {
	Source string // a path, or what the file system takes for one; not looked at by remounts and propagation
	Target string
	FSType string // not looked at by bind, move, remount and propagation
	Flags  MountFlags
	Data   string
}

// String implements fmt.Stringer.
func (r Mount) String() string {
	return fmt.Sprintf("mount fstype=%s flags=%#x %s -> %s", r.FSType, uint32(r.Flags), r.Source, r.Target)
}

func (r Mount) ask(p asked) (Decision, error) {
	flags := r.Flags
	if flags&mountMagic == mountMagicIs {
		flags &^= mountMagic
	}
	flags &^= mountDropped
	source, fstype := r.Source, r.FSType
	switch {
	case flags&MountRemount != 0:
		source, fstype = "", ""
	case flags&MountBind != 0:
		fstype = ""
		flags &= MountBind | MountRec
	case flags&mountPropagation != 0:
		source, fstype = "", ""
		flags &= mountPropagation | MountRec | MountSilent
	case flags&MountMove != 0:
		fstype = ""
		flags &= MountMove
	}
	text := []byte(r.Target + "\x00" + source + "\x00" + fstype + "\x00")
	for i := range mountByteMax {
		if flags>>i&1 != 0 {
			text = append(text, byte(i+1))
		}
	}
	d := p.inClass(blob.ClassMount, text, mountPerm)
	if !d.Allowed() && r.Data != "" && p.inClass(blob.ClassMount, text, mountGoOn).Allowed() {
		d = p.inClass(blob.ClassMount, append(append(text, 0), r.Data...), mountPerm)
	}
	return d.in(wordsNone), nil
}

// Umount asks for umount(2).
type Umount struct{ Target string }

// String implements fmt.Stringer.
func (r Umount) String() string { return "umount " + r.Target }

func (r Umount) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassMount, []byte(r.Target), umountPerm).in(wordsNone), nil
}

// PivotRoot asks for pivot_root(2).
type PivotRoot struct{ NewRoot, PutOld string }

// String implements fmt.Stringer.
func (r PivotRoot) String() string { return fmt.Sprintf("pivot_root %s -> %s", r.PutOld, r.NewRoot) }

func (r PivotRoot) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassMount, []byte(r.NewRoot+"\x00"+r.PutOld), pivotPerm).in(wordsNone), nil
}
