// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"io/fs"
	"os"
	"testing"

	"github.com/goarmor/apparmor/internal/lex"
	"github.com/goarmor/apparmor/internal/testenv"
)

// BenchmarkParse parses Debian's tree, a file at a time.
func BenchmarkParse(b *testing.B) {
	files := debianFiles(b)
	var bytes int64
	for _, src := range files {
		bytes += int64(len(src))
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		for name, src := range files {
			if _, err := Parse(name, src); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLex only cuts the same text into tokens.
func BenchmarkLex(b *testing.B) {
	files := debianFiles(b)
	var bytes int64
	for _, src := range files {
		bytes += int64(len(src))
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		for _, src := range files {
			l := lex.New(src)
			var t lex.Token
			for l.Next(&t); t.Kind != lex.EOF; l.Next(&t) {
			}
		}
	}
}

// BenchmarkParseTree loads one profile with all that it includes.
func BenchmarkParseTree(b *testing.B) {
	root := os.DirFS(testenv.DebianTree(b))
	for name, config := range map[string]Config{
		"cold":   {Roots: []fs.FS{root}},
		"cached": {Roots: []fs.FS{root}, Cache: &Cache{}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := config.ParseFS(b.Context(), "usr.sbin.smbd"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseDir loads all of Debian's tree from its files.
func BenchmarkParseDir(b *testing.B) {
	config := Config{Roots: []fs.FS{os.DirFS(testenv.DebianTree(b))}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := config.ParseDir(b.Context(), "."); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseRule parses a small rule, where the fixed costs show.
func BenchmarkParseRule(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRule(`owner "/var/lib/libvirt/images/disk 1.qcow2" rwk,`); err != nil {
			b.Fatal(err)
		}
	}
}
