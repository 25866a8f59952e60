// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// MarshalJSON returns an object with the keys "allowed", "permitted",
// "mediated", "mode", "request", "allow", "deny", "prompt", "audit", "quiet",
// "exec", "label", "info" and "text". The permissions are lists of names, as
// those of Names: empty, and never null, for those that have none, as all have
// of classes with only one permission. Exec is how a request to execute goes on
// ("ix"), text is what String returns.
func (d Decision) MarshalJSON() ([]byte, error) {
	names := func(a Perms) []string {
		if text := d.Names(a); text != "" && a != 0 {
			return strings.Split(text, "|")
		}
		return []string{}
	}
	exec := ""
	if d.Exec != (blob.Exec{}) {
		exec = fmt.Sprint(d.Exec)
	}
	return json.Marshal(struct {
		Allowed   bool     `json:"allowed"`
		Permitted bool     `json:"permitted"`
		Mediated  bool     `json:"mediated"`
		Mode      string   `json:"mode"`
		Request   []string `json:"request"`
		Allow     []string `json:"allow"`
		Deny      []string `json:"deny"`
		Prompt    []string `json:"prompt"`
		Audit     []string `json:"audit"`
		Quiet     []string `json:"quiet"`
		Exec      string   `json:"exec"`
		Label     string   `json:"label"`
		Info      string   `json:"info"`
		Text      string   `json:"text"`
	}{
		d.Allowed(), d.Permitted(), d.Mediated, d.Mode.String(), names(d.Request), names(d.Allow), names(d.Deny), names(d.Prompt),
		names(d.Audit), names(d.Quiet), exec, d.Label, d.Info, d.String(),
	})
}

// MarshalJSON returns an object with the keys "profile", "part", "message" and
// either "request", "a" and "b", the request and the two decisions, or "member",
// "a_text" and "b_text" for what requests do not show.
func (d Difference) MarshalJSON() ([]byte, error) {
	out := struct {
		Profile string    `json:"profile"`
		Part    string    `json:"part"`
		Request string    `json:"request,omitempty"`
		A       *Decision `json:"a,omitempty"`
		B       *Decision `json:"b,omitempty"`
		Member  string    `json:"member,omitempty"`
		TextA   *string   `json:"a_text,omitempty"`
		TextB   *string   `json:"b_text,omitempty"`
		Message string    `json:"message"`
	}{Profile: d.Profile, Part: fmt.Sprint(d.Part), Message: d.String()}
	if d.Request != nil {
		out.Request, out.A, out.B = fmt.Sprint(d.Request), &d.AnswerA, &d.AnswerB
	} else {
		out.Member, out.TextA, out.TextB = d.Member, &d.TextA, &d.TextB
	}
	return json.Marshal(out)
}
