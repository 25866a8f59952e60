// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"
	"strings"
	"sync"

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
	// mountDropped are flags that the kernel removes first: they are for its
	// own use.
	mountDropped MountFlags = 1<<22 | 1<<28 | 1<<29 | 1<<30
	mountMagic   MountFlags = 0xffff0000
	mountMagicIs MountFlags = 0xc0ed0000
)

// The permissions of the mount class.
const (
	mountPerm    Perms = 1 << 1
	umountPerm   Perms = 1 << 2
	mountGoOn    Perms = 1 << 6 // the data matters
	mountByteMax       = 32
)

// Mount asks for mount(2). Paths of directories end in a slash.
type Mount struct {
	Source string     // a path, or what the file system takes for one; not looked at by remounts and propagation
	Target string     // the mount point
	FSType string     // not looked at by bind, move, remount and propagation
	Flags  MountFlags // as for mount(2); those that the kernel keeps for itself are not looked at
	Data   string     // options of the file system; looked at only if the policy has rules on them
}

// String implements fmt.Stringer.
func (r Mount) String() string {
	return fmt.Sprintf("mount fstype=%s flags=%#x %s -> %s", r.FSType, uint32(r.Flags), r.Source, r.Target)
}

func (r Mount) texts() iter.Seq2[textKind, string] {
	return and(texts(textPath, r.Target), texts(textAny, r.Source, r.FSType, r.Data))
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

// Umount asks for umount(2) of what is mounted at Target, a path that ends in a
// slash if it is a directory.
type Umount struct{ Target string }

// String implements fmt.Stringer.
func (r Umount) String() string { return "umount " + r.Target }

func (r Umount) texts() iter.Seq2[textKind, string] { return texts(textPath, r.Target) }

func (r Umount) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassMount, []byte(r.Target), umountPerm).in(wordsNone), nil
}

// mountGrammar generates the strings of umount, pivot_root and the kinds of
// mounts, which differ in their flags and in whether they present the source
// and the type of the file system.
var mountGrammar = sync.OnceValue(func() grammar {
	flags := func(of MountFlags) piece { // ascending, each at most once
		var all []piece
		for i := range mountByteMax {
			if of>>i&1 != 0 {
				all = append(all, opt(lit(byte(i+1))))
			}
		}
		return seq(binaryPart, seq(all...))
	}
	const real = ^mountDropped
	const kinds = MountRemount | MountBind | MountMove | mountPropagation
	low, high := MountRemount-1, ^(MountRemount<<1 - 1)
	var propagation []piece
	for i := range mountByteMax {
		if f := MountFlags(1) << i; f&mountPropagation != 0 {
			propagation = append(propagation, seq(lit(byte(i+1)), flags(mountPropagation&^(f<<1-1))))
		}
	}
	data := seq(ends(mountPerm), opt(seq(lit(0), gate, word, ends(mountPerm))))
	return newGrammar(alt(
		seq(path, ends(umountPerm)),
		seq(path, lit(0), path, ends(pivotPerm)),
		seq(path, lit(0, 0, 0), flags(low), lit(6), flags(high&real), data),
		seq(path, lit(0), path, lit(0, 0), lit(13), flags(MountRec), data),
		seq(path, lit(0, 0, 0), flags(MountRec|MountSilent), alt(propagation...), data),
		seq(path, lit(0), opt(path), lit(0, 0), lit(14), data),
		seq(path, lit(0), text, lit(0), text, lit(0), flags(real&^kinds), data),
	))
})

// toData leads to the data of a mount, if a state says that it matters.
func toData(_, at blob.Effective) (blob.Effective, bool) {
	on := at.Allow&^at.Deny&uint32(mountPerm) == 0 && at.Allow&^at.Deny&uint32(mountGoOn) != 0
	return at, on
}

func withData(before, at blob.Effective) blob.Effective {
	if _, on := toData(blob.Effective{}, before); on || before == noGate {
		return at
	}
	return before
}

func onMounts(in []byte, _ Perms, _ bool) []Request {
	switch p := strings.SplitN(string(in), "\x00", 5); len(p) {
	case 1:
		return []Request{Umount{Target: p[0]}}
	case 2:
		return []Request{PivotRoot{NewRoot: p[0], PutOld: p[1]}}
	case 4, 5:
		m := Mount{Target: p[0], Source: p[1], FSType: p[2]}
		for i := range len(p[3]) {
			if b := p[3][i]; b > 0 && b <= mountByteMax {
				m.Flags |= 1 << (b - 1)
			}
		}
		if len(p) == 5 {
			m.Data = p[4]
		}
		return []Request{m}
	}
	return nil
}
