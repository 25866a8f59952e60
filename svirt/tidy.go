package svirt

import (
	"cmp"
	"slices"
	"strings"
)

// tidy returns the rules sorted by path and device, those that have the same
// of both made into one.
//
// Paths of one machine mostly share a long start, so they are sorted by the
// eight bytes behind what all have in common, and compared as a whole only
// where these are equal.
func tidy(list []Rule) []Rule {
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
	keys := make([]sortKey, len(list))
	for i := range list {
		keys[i] = sortKey{bytes: firstBytes(string(list[i].Path[len(common):])), index: int32(i)}
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		if a.bytes != b.bytes {
			return cmp.Compare(a.bytes, b.bytes)
		}
		return compareRules(&list[a.index], &list[b.index])
	})
	out := make([]Rule, 0, len(list))
	for _, k := range keys {
		r := &list[k.index]
		if n := len(out); n > 0 && out[n-1].Path == r.Path && out[n-1].Device == r.Device {
			out[n-1].Perms |= r.Perms
			out[n-1].Exec = max(out[n-1].Exec, r.Exec)
			continue
		}
		out = append(out, *r)
	}
	return out
}

type sortKey struct {
	bytes uint64
	index int32
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
