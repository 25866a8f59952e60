// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// giant is a profile of the size and kind that editors and sandboxes have in
// public collections: thousands of rules with `**`, under alternations of
// hundreds of names. The same each time.
func giant() string {
	const packages, programs, suffixes, parts, leaves = 300, 2000, 40, 5, 60
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	// name is a made-up word: numbers in a row would share their states.
	name := func() string {
		word := make([]byte, 4+r.IntN(6))
		for i := range word {
			word[i] = 'a' + byte(r.IntN(26))
		}
		return string(word)
	}
	// list writes alternatives, such as {kdpw,sncoei}.
	list := func(n int) {
		b.WriteByte('{')
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(name())
		}
		b.WriteByte('}')
	}
	b.WriteString("profile giant {\n")
	// What is installed.
	for _, dir := range []string{"/usr/share", "/usr/lib{,32,64}", "/opt"} {
		fmt.Fprintf(&b, "  %s/", dir)
		list(packages)
		b.WriteString("/** mr,\n")
	}
	// Settings of programs.
	for i := range programs {
		program := name()
		fmt.Fprintf(&b, "  owner /home/*/.{config,cache,local/share}/%s/** rwk,\n", program)
		if i%40 == 0 {
			fmt.Fprintf(&b, "  deny /home/*/.config/%s/**/%s-* rwklx,\n", program, name())
		}
	}
	// Files by what they are called.
	for range suffixes {
		fmt.Fprintf(&b, "  /{home/*,media/*,mnt,srv}/**.%s r,\n", name())
	}
	// What is below a directory of that name, wherever it is: whether one was passed
	// on the way to a file is a part of each state.
	for _, perms := range []string{"w", "k"} {
		b.WriteString("  /{home/*,media/*,mnt,srv}/**/")
		list(parts)
		fmt.Fprintf(&b, "/** %s,\n", perms)
	}
	// Files of a few places, anywhere below them.
	for range 3 {
		fmt.Fprintf(&b, "  /var/lib/*/%s/**/", name())
		list(leaves)
		b.WriteString("{,/**} rw,\n")
	}
	b.WriteString("}\n")
	return b.String()
}
