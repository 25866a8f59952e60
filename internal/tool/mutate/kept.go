// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

// kept is what runs before found out, by content. The zero value keeps nothing.
type kept struct {
	file string
	mu   sync.Mutex
	data struct {
		// Tests are by the changed package, its sum and that of the test.
		Tests map[string]*test
		// Results are by the sum of the changed file.
		Results map[string]keptResult
	}
	killed map[string]int // how many changes a test killed in this run
}

type keptResult struct {
	Site   string // for people
	Result result
	// Tests are those that killed the change, or all that did not notice it,
	// with their sums.
	Tests []string
}

func readKept(file string) (*kept, error) {
	k := &kept{file: file, killed: map[string]int{}}
	k.data.Tests = map[string]*test{}
	k.data.Results = map[string]keptResult{}
	if file == "" {
		return k, nil
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, &k.data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

// write writes the file; the lock is held.
func (k *kept) write() error {
	if k.file == "" {
		return nil
	}
	text, err := json.Marshal(k.data)
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(k.file+".new", k.file)
}

func testKey(of, changed string, t *test) string {
	return strings.Join([]string{of, changed, t.Pkg, t.Name, t.Sum}, " ")
}

// test returns what is known of a test for a state of the changed package.
func (k *kept) test(of, changed string, t *test) *test { return k.data.Tests[testKey(of, changed, t)] }

func (k *kept) setTest(of, changed string, t *test) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data.Tests[testKey(of, changed, t)] = t
	return k.write()
}

func resultKey(s site, changed []byte) string {
	sum := sha256.Sum256(changed)
	return s.File + " " + hex.EncodeToString(sum[:])
}

func testID(t *test) string { return t.Pkg + " " + t.Name + " " + t.Sum }

// result returns what became of a change before, and the tests that are still
// to be run: it stays killed while a test that killed it is as it was, and those
// that did not notice it are not asked again.
func (k *kept) result(s site, changed []byte, reach []*test) (result, []*test) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.data.Results[resultKey(s, changed)]
	has := func(t *test) bool { return slices.Contains(was.Tests, testID(t)) }
	switch was.Result {
	case broken:
		return broken, nil
	case killed:
		if slices.ContainsFunc(reach, has) {
			return killed, nil
		}
	case survived:
		return survived, slices.DeleteFunc(reach, has)
	}
	return "", reach
}

// set keeps what became of a change.
func (k *kept) set(s site, changed []byte, r result, tests []*test) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	one := keptResult{Site: s.String(), Result: r}
	for _, t := range tests {
		one.Tests = append(one.Tests, testID(t))
		if r == killed {
			k.killed[t.Pkg+" "+t.Name]++
		}
	}
	k.data.Results[resultKey(s, changed)] = one
	return k.write()
}

// kills is how many changes the test killed in this run.
func (k *kept) kills(t *test) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.killed[t.Pkg+" "+t.Name]
}
