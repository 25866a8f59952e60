// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// File asks for access to a path, as the kernel names it: absolute, without
// symbolic links, directories with a slash at the end.
type File struct {
	Path  string // absolute
	Perms Perms  // Read, Write, Append, Exec, Mmap, Lock, ...: at least one
	// Owner is set when the file belongs to the task's fsuid.
	Owner bool
}

// String implements fmt.Stringer.
func (r File) String() string {
	s := fmt.Sprintf("file %v %s", r.Perms, r.Path)
	if r.Owner {
		s += " (owner)"
	}
	return s
}

func (r File) texts() iter.Seq2[textKind, string] { return texts(textPath, r.Path) }

func (r File) ask(p asked) (Decision, error) {
	if err := onlyPerms(r, r.Perms, askedOfFiles|askedOfLinks); err != nil {
		return Decision{}, err
	}
	return decide(r.Perms, p.onPath(r.Path, r.Owner, r.Perms)), nil
}

func fileSide(p *Profile) side {
	db, start := p.FileDB()
	if db == nil {
		return side{perms: func(uint32, bool) blob.Effective { return blob.Effective{} }}
	}
	return side{db.DFA, start, "", p.FilePerms}
}

// The permissions of a class; for files, those of a kind of string.
const (
	askedOfFiles   Perms = 1<<18 - 1
	askedOfLabels        = Perms(blob.PermChangeProf | blob.PermOnexec)
	askedOfLinks         = Perms(blob.PermLink)
	askedOnExec          = Perms(blob.PermOnexec)
	askedOfNet           = Perms(blob.AllNetPerms)
	askedOfUnix          = Create | Bind | Accept | Getattr | Setattr | Shutdown | Listen | netOption | netPeer
	askedOfSignals       = Send | Receive
	askedOfPeers         = Trace | ReadPeer | TracedBy | ReadBy
	askedOfMqueue        = Create | MayOpen | Delete | Read | Write | Getattr | Setattr
)

// fileGrammar generates paths, labels, and after the NUL of a path the target
// of a link or the label to change to. Labels and links can be left out.
func fileGrammar(labels, links bool) grammar {
	i := 0
	if labels {
		i |= 1
	}
	if links {
		i |= 2
	}
	return fileGrammars[i]()
}

var fileGrammars = [...]func() grammar{
	sync.OnceValue(func() grammar { return newFileGrammar(false, false) }),
	sync.OnceValue(func() grammar { return newFileGrammar(true, false) }),
	sync.OnceValue(func() grammar { return newFileGrammar(false, true) }),
	sync.OnceValue(func() grammar { return newFileGrammar(true, true) }),
}

func newFileGrammar(labels, links bool) grammar {
	var names, seconds []piece
	if labels {
		names, seconds = append(names, label(askedOfLabels)), append(seconds, seq(word, ends(askedOnExec)))
	}
	if links {
		seconds = append(seconds, seq(path, ends(askedOfLinks)))
	}
	file := seq(path, ends(askedOfFiles))
	if seconds != nil {
		file = seq(file, lit(0), gate, alt(seconds...))
	}
	return newGrammar(alt(append(names, file)...))
}

// firstOfPair keeps what matters of the first name of a pair, and reports
// whether what follows it matters to any request.
func firstOfPair(g granted) (granted, bool) {
	const leads = blob.PermLink | blob.PermOnexec
	on := false
	for _, side := range [...]*[2]blob.Effective{&g.a, &g.b} {
		for i := range side {
			e := &side[i]
			on = on || has(*e, Perms(leads))
			kept := blob.Effective{Allow: e.Allow & blob.PermOnexec, Quiet: e.Quiet & leads, Prompt: e.Prompt & leads}
			if e.Allow&blob.PermLink != 0 {
				kept.Allow, kept.Exec = e.Allow, e.Exec
			}
			*e = kept
		}
	}
	return g, on
}

func onFiles(in []byte, differ Perms, owner bool) []Request {
	const link, change, onexec = Perms(blob.PermLink), Perms(blob.PermChangeProf), Perms(blob.PermOnexec)
	name, second, pair := strings.Cut(string(in), "\x00")
	if pair {
		if differ&link != 0 {
			return []Request{Link{Path: name, Target: second, Owner: owner}}
		}
		target, stack := strings.CutPrefix(second, "&")
		return []Request{ChangeProfile{Target: target, Stack: stack, OnExec: true, Path: name}}
	}
	var all []Request
	if rest := differ &^ (link | change | onexec); rest != 0 {
		all = append(all, File{Path: name, Perms: rest, Owner: owner})
	}
	target, stack := strings.CutPrefix(name, "&")
	if differ&change != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack})
	}
	if differ&onexec != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack, OnExec: true})
	}
	return all
}
