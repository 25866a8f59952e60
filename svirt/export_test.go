// SPDX-License-Identifier: Apache-2.0

package svirt

// MaxBases is how many bases a driver keeps.
const MaxBases = maxBases

// BaseName is the name of the profile of a base.
var BaseName = baseNames.profile

// Bases returns the bases that a driver keeps, the last used first, each of which
// equals itself only.
func (a *AppArmor) Bases() []any {
	a.bases.mu.Lock()
	defer a.bases.mu.Unlock()
	var list []any
	for _, b := range a.bases.list {
		list = append(list, b)
	}
	return list
}
