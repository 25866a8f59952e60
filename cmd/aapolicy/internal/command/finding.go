// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/policyfiles"
)

// finding is something that a command has found, for the forms that programs
// read.
type finding struct {
	Code    string          `json:"code"`
	Level   string          `json:"level"` // error or warning
	Pos     diag.Position   `json:"pos"`
	Message string          `json:"message"`
	Related []diag.Position `json:"related"`
}

// The parts of SARIF 2.1.0 (OASIS) that are used; the required members are those
// of sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.29 and 3.30.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// braces are doubled in messages, where they would mean arguments (section
// 3.11.5).
var braces = strings.NewReplacer("{", "{{", "}", "}}")

func writeSARIF(w io.Writer, found []finding, summaries map[string]string) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "aapolicy", InformationURI: "https://github.com/goarmor/apparmor", Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	c := columns{}
	for _, code := range codesOf(summaries) {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{code, sarifText{summaries[code]}})
	}
	for _, f := range found {
		r := sarifResult{
			RuleID: f.Code, RuleIndex: slices.Index(codesOf(summaries), f.Code), Level: f.Level,
			Message: sarifText{braces.Replace(f.Message)}, Locations: []sarifLocation{c.location(f.Pos)},
		}
		for _, pos := range f.Related {
			r.Related = append(r.Related, c.location(pos))
		}
		run.Results = append(run.Results, r)
	}
	return writeJSON(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func codesOf(summaries map[string]string) []string {
	var codes []string
	for code := range summaries {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// columns counts columns in characters: those of positions are bytes. It has the
// lines of files; nil for a file that cannot be read.
type columns map[string][]string

// maxColumns bounds what is read of a file again, in bytes.
const maxColumns = 64 << 20

// of returns the column of a position in characters, from 1. A byte outside of
// characters counts as one. It is 0, which is left out, where the text is
// not known, or is another one by now.
func (c columns) of(pos diag.Position) int {
	lines, known := c[pos.File]
	if !known {
		if text, err := policyfiles.Read(pos.File, maxColumns); err == nil {
			lines = strings.SplitAfter(text, "\n")
		}
		c[pos.File] = lines
	}
	if pos.Column < 1 || pos.Line > len(lines) || pos.Column-1 > len(lines[pos.Line-1]) {
		return 0
	}
	return utf8.RuneCountInString(lines[pos.Line-1][:pos.Column-1]) + 1
}

func (c columns) location(pos diag.Position) sarifLocation {
	u := url.URL{Path: filepath.ToSlash(pos.File)}
	if filepath.IsAbs(pos.File) {
		u.Scheme = "file"
	}
	l := sarifLocation{sarifPhysical{Artifact: sarifArtifact{u.String()}}}
	if pos.IsValid() {
		l.Physical.Region = &sarifRegion{pos.Line, c.of(pos)}
	}
	return l
}

// The form that JUnit's readers know.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func writeJUnit(w io.Writer, suites []junitSuite) error {
	all := junitSuites{Suites: suites}
	for _, s := range suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}
