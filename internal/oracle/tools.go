// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// DecodeEqual compares two binary policies with decode_blob.py, a decoder that
// shares no code with this module, by the rules of the given kernel ("6.1",
// "6.12", "7.2" or "7.3"). It returns what differs, a line each, and nothing
// when the two mean the same. The tool is an extra, see testenv.Tool.
func DecodeEqual(tb testing.TB, a, b []byte, kernel string) []string {
	tb.Helper()
	out, err := decode(tb, [][]byte{a, b}, func(f []string) []string {
		return []string{f[0], "--equal", f[1], "--kernel", kernel}
	})
	if err == nil {
		return nil
	}
	return lines(out, err)
}

// DecodeVerify applies the load checks of the given kernel to a binary policy
// with decode_blob.py; see DecodeEqual. It returns what the kernel would
// object to, a line each.
func DecodeVerify(tb testing.TB, blob []byte, kernel string) []string {
	tb.Helper()
	out, err := decode(tb, [][]byte{blob}, func(f []string) []string {
		return []string{f[0], "--verify", "--kernel", kernel}
	})
	if err == nil {
		return nil
	}
	return lines(out, err)
}

// lines returns what the tool printed, or the error when it printed nothing.
func lines(out string, err error) []string {
	if out = strings.TrimSpace(out); out == "" {
		return []string{err.Error()}
	}
	return strings.Split(out, "\n")
}

func decode(tb testing.TB, blobs [][]byte, args func(files []string) []string) (string, error) {
	tb.Helper()
	python := testenv.Command(tb, "/usr/bin/python3", "python3")
	tool := testenv.Tool(tb, "decode_blob.py")
	tmp := tb.TempDir()
	var files []string
	for i, blob := range blobs {
		file := filepath.Join(tmp, string(rune('a'+i)))
		if err := os.WriteFile(file, blob, 0o600); err != nil {
			tb.Fatal(err)
		}
		files = append(files, file)
	}
	out, msg, err := run(tb, Job{}, python, append([]string{tool}, args(files)...)...)
	if err != nil && len(out) == 0 {
		out = msg
	}
	return string(out), err
}
