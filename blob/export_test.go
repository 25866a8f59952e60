// SPDX-License-Identifier: Apache-2.0

package blob

// DamagedDFAs returns automata that must be refused, by what is wrong.
func DamagedDFAs() map[string]*DFA {
	all := map[string]*DFA{}
	for _, t := range damagedTables() {
		all[t.name] = t.apply()
	}
	return all
}

// EncodeUnverified writes a profile without a look at it.
func EncodeUnverified(p *Profile) []byte {
	var w writer
	w.profile(p, true)
	return w.buf
}
