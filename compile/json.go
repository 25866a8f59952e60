// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"encoding/json"

	"github.com/goarmor/apparmor/ast"
)

// MarshalJSON returns an object with the keys "profile", "pos", "via", "class",
// "what", "feature", "hint", "cause", "dropped" and "message". Via is a list of
// positions, which may be empty. Class is that of the rule, and empty for flags.
// Message is what String returns.
func (d Degradation) MarshalJSON() ([]byte, error) {
	class := ""
	if d.Rule != nil {
		class = d.Rule.Class().String()
	}
	return json.Marshal(struct {
		Profile string         `json:"profile"`
		Pos     ast.Position   `json:"pos"`
		Via     []ast.Position `json:"via"`
		Class   string         `json:"class"`
		What    string         `json:"what"`
		Feature string         `json:"feature"`
		Hint    string         `json:"hint"`
		Cause   string         `json:"cause"`
		Dropped bool           `json:"dropped"`
		Message string         `json:"message"`
	}{
		d.Profile, d.Pos, append([]ast.Position{}, d.Via...), class, d.What, d.Feature, d.Hint, d.Cause.String(), d.Dropped, d.String(),
	})
}
