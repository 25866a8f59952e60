// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"slices"
	"strings"
)

// sortRules returns the rules sorted by path and device, those that have the same
// of both made into one. It works in place.
//
// Paths of one machine mostly share a long start, so they are sorted by the
// few bytes after what all have in common, and compared as a whole only where
// these are equal. Only numbers move while sorting.
func sortRules(list []Rule) []Rule {
	if len(list) < 2 {
		return list
	}
	common, sorted := string(list[0].Path), true
	for i := 1; i < len(list); i++ {
		if path := string(list[i].Path); !strings.HasPrefix(path, common) {
			common = common[:commonPrefix(common, path)]
		}
		sorted = sorted && list[i-1].Path < list[i].Path
	}
	if sorted {
		return list
	}
	if len(list) > maxIndex {
		slices.SortFunc(list, func(a, b Rule) int { return compareRules(&a, &b) })
	} else {
		arrange(list, order(list, len(common)))
	}
	n := 0
	for i := 1; i < len(list); i++ {
		r := &list[i]
		if last := &list[n]; last.Path == r.Path && last.Device == r.Device {
			last.Perms = merged(last.Perms, r.Perms)
			last.Exec = max(last.Exec, r.Exec)
			continue
		}
		if n++; n < i {
			list[n] = *r
		}
	}
	return list[:n+1]
}

// A sort key is the first bytes of a path, and the rule's index below them.
const (
	indexBits = 16
	maxIndex  = 1 << indexBits
	indexMask = maxIndex - 1
)

// order returns keys whose indexes put the rules in order. The paths are the
// same up to skip.
func order(list []Rule, skip int) []uint64 {
	keys := make([]uint64, len(list))
	for i := range list {
		keys[i] = firstBytes(string(list[i].Path[skip:]))&^indexMask | uint64(i)
	}
	slices.Sort(keys)
	for i := 0; i < len(keys); {
		end := i + 1
		for end < len(keys) && keys[end]&^indexMask == keys[i]&^indexMask {
			end++
		}
		if end > i+1 {
			slices.SortFunc(keys[i:end], func(a, b uint64) int {
				return compareRules(&list[a&indexMask], &list[b&indexMask])
			})
		}
		i = end
	}
	return keys
}

// arrange moves the rule that each key has the index of to the key's place. The
// keys are used up.
func arrange(list []Rule, keys []uint64) {
	for start := range keys {
		to, from := start, int(keys[start]&indexMask)
		if from == start {
			continue
		}
		first := list[start]
		for from != start {
			list[to] = list[from]
			keys[to] = uint64(to)
			to, from = from, int(keys[from]&indexMask)
		}
		list[to] = first
		keys[to] = uint64(to)
	}
}

// firstBytes packs the start of s so that numbers compare as the bytes do.
func firstBytes(s string) uint64 {
	if len(s) >= 8 {
		return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
			uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
	}
	var n uint64
	for i := 0; i < len(s); i++ {
		n |= uint64(s[i]) << (56 - 8*i)
	}
	return n
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func compareRules(a, b *Rule) int {
	if c := strings.Compare(string(a.Path), string(b.Path)); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Device.Kind), string(b.Device.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.Device.ID, b.Device.ID)
}
