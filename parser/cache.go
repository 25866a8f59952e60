// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Cache keeps the trees of included files for later calls, by name and
// content: a file that has changed is parsed anew. A file with errors is not
// kept. The zero Cache is empty and ready for use, from any number of
// goroutines.
//
// The trees are shared between the units that were made with the cache, so
// they must not be changed.
type Cache struct {
	// MaxBytes bounds the text that is kept; 0 means DefaultCacheBytes. When
	// it is exceeded, everything is dropped.
	MaxBytes int64

	mu    sync.Mutex
	files map[cacheKey]cached
	bytes int64
}

// DefaultCacheBytes is the default of Cache.MaxBytes.
const DefaultCacheBytes = 64 << 20

// cacheKey is all that the tree of a file depends on. The text is the one that
// the tree holds anyway.
type cacheKey struct {
	name    string
	context Context
	depth   int // the limit that it was parsed with
	src     string
}

type cached struct {
	file     *ast.File
	warnings diag.List
}

func (c *Cache) get(k cacheKey) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.files[k]
	return v, ok
}

// put keeps v and returns what is kept for the key: what was there before, if
// two goroutines parsed the same text at the same time.
func (c *Cache) put(k cacheKey, v cached) cached {
	limit := c.MaxBytes
	if limit <= 0 {
		limit = DefaultCacheBytes
	}
	size := int64(len(v.file.Src))
	if size > limit {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.files[k]; ok {
		return old
	}
	if c.files == nil || c.bytes+size > limit {
		c.files, c.bytes = map[cacheKey]cached{}, 0
	}
	c.files[k] = v
	c.bytes += size
	return v
}
