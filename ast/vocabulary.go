// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"iter"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/internal/lang"
)

// A Vocabulary is a list of the words that policy knows for one purpose. It
// cannot be changed.
type Vocabulary struct {
	words []string // by number for some; those without a name are empty
	more  []string // aliases
}

// Has reports whether word is in the list. Case matters.
func (v Vocabulary) Has(word string) bool {
	return word != "" && (slices.Contains(v.words, word) || slices.Contains(v.more, word))
}

// All returns the words in their canonical order, aliases last.
func (v Vocabulary) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, words := range [...][]string{v.words, v.more} {
			for _, w := range words {
				if w != "" && !yield(w) {
					return
				}
			}
		}
	}
}

// Nearest returns the word that was probably meant by a misspelled one, and
// false when none is close enough.
func (v Vocabulary) Nearest(word string) (string, bool) {
	return lang.NearestOf(v.All(), word)
}

// didYouMean is the hint that names the word that was probably meant.
func didYouMean(word string) string { return `did you mean "` + word + `"?` }

func nearestHint(v Vocabulary, word string) string {
	if near, ok := v.Nearest(strings.ToLower(word)); ok {
		return didYouMean(near)
	}
	return ""
}
