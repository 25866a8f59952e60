// SPDX-License-Identifier: Apache-2.0

package lang

import (
	"iter"
	"slices"
)

// Nearest returns the word that was probably meant by a misspelled one: the one
// at the smallest edit distance, which must be at most a third of the length of
// what was written, and at least one. It is false if none is close enough.
func Nearest(words []string, word string) (string, bool) {
	return NearestOf(slices.Values(words), word)
}

// NearestOf is Nearest for a sequence of words.
func NearestOf(words iter.Seq[string], word string) (string, bool) {
	const longest = 32
	if word == "" || len(word) > longest {
		return "", false
	}
	best, found := max(1, len(word)/3)+1, ""
	for w := range words {
		if len(w) > longest {
			continue
		}
		if d := distance(word, w); d < best {
			best, found = d, w
		}
	}
	return found, found != ""
}

// distance is the number of bytes to insert, delete, replace or swap with
// their neighbour to turn a into b. Both have at most 32 bytes.
func distance(a, b string) int {
	var rows [3][33]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
