// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocuments checks that every test that a document names exists, and every
// file that one links to.
func TestDocuments(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	var documents []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != ".":
			return fs.SkipDir
		case strings.HasSuffix(name, ".md"):
			documents = append(documents, name)
		case strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil || len(documents) < 10 || len(tests) < 300 {
		t.Fatalf("%d documents, %d tests, %v", len(documents), len(tests), err)
	}
	named := regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z]\w*`)
	link := regexp.MustCompile(`\]\(([\w./-]*\w)(?:#[^)]*)?\)`)
	for _, name := range documents {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "CHANGELOG.md" { // it names earlier tests, too
			for _, test := range named.FindAllString(string(text), -1) {
				if !tests[test] {
					t.Errorf("%s names %s, which does not exist", name, test)
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
