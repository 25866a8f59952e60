// SPDX-License-Identifier: Apache-2.0

package policydir

import (
	"encoding/json"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
)

// MarshalJSON returns an object with the keys of the tags, and "errors" and
// "cache_errors", which are Err and CacheErr as diag.MarshalError has them. All
// lists may be empty and are never null.
func (f File) MarshalJSON() ([]byte, error) {
	errs, err := diag.MarshalError(f.Err)
	if err != nil {
		return nil, err
	}
	cache, err := diag.MarshalError(f.CacheErr)
	if err != nil {
		return nil, err
	}
	type plain File
	f.Profiles = append([]string{}, f.Profiles...)
	f.Degraded = append([]compile.Degradation{}, f.Degraded...)
	return json.Marshal(struct {
		plain
		CacheErrors json.RawMessage `json:"cache_errors"`
		Errors      json.RawMessage `json:"errors"`
	}{plain(f), cache, errs})
}

// MarshalJSON returns an object with the keys "name" and "errors", which is Err
// as diag.MarshalError has it.
func (r Removed) MarshalJSON() ([]byte, error) {
	errs, err := diag.MarshalError(r.Err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Name   string          `json:"name"`
		Errors json.RawMessage `json:"errors"`
	}{r.Name, errs})
}

// MarshalJSON returns an object with the keys of the tags. The lists may be
// empty and are never null.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	r.Files = append([]File{}, r.Files...)
	r.Removed = append([]Removed{}, r.Removed...)
	return json.Marshal(plain(r))
}
