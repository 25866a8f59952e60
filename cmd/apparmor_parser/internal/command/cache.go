// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/cache"
	"github.com/goarmor/apparmor/diag"
)

// openCache returns the cache for the features of this run.
func (r *run) openCache() *cache.Cache {
	c := &cache.Cache{Features: r.features, KeepForeign: r.options.keepBadCache}
	for _, dir := range r.options.cacheDirs {
		dir = r.path(dir)
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		c.Dirs = append(c.Dirs, dir)
	}
	return c
}

// cacheEntry is the place of one input in the cache.
type cacheEntry struct {
	name   string
	key    cache.Key
	newest time.Time // of the texts, for others who read the cache
}

// entry returns where the policy of a unit belongs in the cache.
func (r *run) entry(unit *ast.Unit, in input) (e *cacheEntry, err error) {
	e = &cacheEntry{name: in.base()}
	e.key, err = cache.KeyOf(unit, r.policyOptions(), r.compileOptions(),
		fmt.Sprint("readimpliesX ", r.options.readMmaps),
		fmt.Sprint("override ", r.override != nil),
		// Policy that a warning would refuse must not be found.
		fmt.Sprint("Werror ", r.options.warn&r.options.werror))
	if err != nil {
		return nil, err
	}
	e.time(r, unit.Main)
	for _, files := range unit.Included {
		for _, f := range files {
			e.time(r, f)
		}
	}
	return e, nil
}

// time takes the time of a file into account.
func (e *cacheEntry) time(r *run, f *ast.File) {
	if info, err := os.Stat(r.path(f.Name)); err == nil && info.ModTime().After(e.newest) {
		e.newest = info.ModTime()
	}
}

// lookup returns the policies of an entry and the file that holds them, or why no
// directory has them.
func (r *run) lookup(e *cacheEntry) (list []*blob.Policy, file string, why diag.List) {
	list, file, err := r.cache.Get(e.name, e.key)
	if err == nil {
		return list, file, nil
	}
	reasons := []error{err}
	var miss *cache.MissError
	if errors.As(err, &miss) {
		reasons = miss.Reasons
	}
	for _, err := range reasons {
		class := classDebugCache
		if errors.Is(err, cache.ErrForeign) {
			class = classCache // on by default: somebody has to look into it
		}
		why = append(why, &diag.Diagnostic{
			Severity: diag.Warning, Class: class,
			Message: fmt.Sprintf("the cache has nothing usable for %s: %v", e.name, err), Err: err,
		})
	}
	return nil, "", why
}

// store writes the result of an input to the cache, if that is wanted. Policy
// that is loaded stays loaded whatever happens to the cache.
func (r *run) store(res *result) {
	if res.place == nil || res.cached != "" || !r.options.writeCache {
		return
	}
	var data bytes.Buffer
	var err error
	for _, p := range res.policies {
		if err = r.put(&data, p); err != nil {
			break
		}
	}
	var file string
	if err == nil {
		file, err = r.cache.Put(res.place.name, res.place.key, res.policies, cache.PutOptions{Data: data.Bytes(), Time: res.place.newest})
	}
	if err != nil {
		r.report.warning(classCache, "cannot write the cache: %v", err)
		return
	}
	if r.options.showCache {
		r.report.plain(diag.Warning, classCache, "Wrote cache: "+file)
	}
}
