package parser

import (
	"crypto/sha256"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Cache keeps the trees of included files for later calls, by name and
// content: a file that has changed is parsed anew. What has errors is not
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

type cacheKey struct {
	name    string
	context Context
	depth   int // the limit that it was parsed with
	digest  [sha256.Size]byte
}

type cached struct {
	file     *ast.File
	warnings diag.List
}

func newCacheKey(name, src string, where Context, depth int) cacheKey {
	return cacheKey{name, where, depth, sha256.Sum256([]byte(src))}
}

func (c *Cache) get(k cacheKey) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.files[k]
	return v, ok
}

func (c *Cache) put(k cacheKey, v cached) {
	limit := c.MaxBytes
	if limit <= 0 {
		limit = DefaultCacheBytes
	}
	size := int64(len(v.file.Src))
	if size > limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.files[k]; ok {
		return
	}
	if c.files == nil || c.bytes+size > limit {
		c.files, c.bytes = map[cacheKey]cached{}, 0
	}
	c.files[k] = v
	c.bytes += size
}
