package parser

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// simpleTest is a line of the manifest of upstream's policy tests.
type simpleTest struct {
	path, expect, verdict, message string
}

func simpleTests(tb testing.TB) []simpleTest {
	data, err := os.ReadFile(testenv.Corpus(tb, "simple_tests_manifest.tsv.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	if data, err = io.ReadAll(zr); err != nil {
		tb.Fatal(err)
	}
	var out []simpleTest
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		if f := strings.Split(line, "\t"); i > 0 {
			out = append(out, simpleTest{f[0], f[1], f[2], strings.Join(f[6:], " ")})
		}
	}
	return out
}

// stripMarkers removes the lines that speak to the test driver.
func stripMarkers(src string) string {
	var b strings.Builder
	for line := range strings.Lines(src) {
		if strings.HasPrefix(line, "#=") {
			if strings.HasPrefix(line, "#=DISABLED") {
				break
			}
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// decodeLines reads one JSON value a line.
func decodeLines[T any](tb testing.TB, data []byte) []T {
	var out []T
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var v T
		if err := dec.Decode(&v); err == io.EOF {
			return out
		} else if err != nil {
			tb.Fatal(err)
		}
		out = append(out, v)
	}
}
