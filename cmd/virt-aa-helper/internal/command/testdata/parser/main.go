// SPDX-License-Identifier: Apache-2.0

// Parser takes the place of apparmor_parser for a helper that must load
// nothing. It keeps the names of what is loaded in a file.
package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const table = "/loaded"

func main() {
	how, name := os.Args[1], filepath.Base(os.Args[2])
	text, _ := os.ReadFile(table)
	names := strings.Fields(string(text))
	loaded := slices.Contains(names, name)
	switch {
	case how == "-R" && !loaded:
		os.Exit(234)
	case how == "-a" && loaded:
		os.Exit(1)
	}
	names = slices.DeleteFunc(names, func(s string) bool { return s == name })
	if how != "-R" {
		names = append(names, name)
	}
	if err := os.WriteFile(table, []byte(strings.Join(names, "\n")), 0o644); err != nil {
		os.Exit(2)
	}
}
