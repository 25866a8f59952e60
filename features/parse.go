// SPDX-License-Identifier: Apache-2.0

package features

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/wholefile"
)

// The limits of what is read. The feature sets of real kernels stay below
// 4 KiB, 100 entries and a depth of 5.
const (
	MaxSize    = 256 << 10 // bytes of text, or of all leaves of a tree together
	MaxDepth   = 16        // nested entries
	MaxEntries = 4096      // entries and words together
)

// Parse reads the text of a feature file: entries `name {content}`, where
// content is further entries or words; blanks and newlines separate and mean
// nothing else. Words outside of any entry are kept as words of the root, and
// a pair of braces around everything is ignored. Errors are *diag.Diagnostic;
// one that hits a limit matches diag.ErrLimit.
func Parse(data []byte) (*Set, error) {
	if len(data) > MaxSize {
		return nil, limit("", "bytes of features", MaxSize, int64(len(data)))
	}
	p := parser{src: string(data)}
	root, err := p.entries("", 0)
	if err != nil {
		return nil, err
	}
	return newSet(root), nil
}

// parser reads nested entries. Its state is one offset and one counter.
type parser struct {
	src   string
	off   int
	count int
}

// next returns the next brace or word with its offset, and "" at the end.
func (p *parser) next() (tok string, at int) {
	for p.off < len(p.src) && isBlank(p.src[p.off]) {
		p.off++
	}
	at = p.off
	if at == len(p.src) {
		return "", at
	}
	if p.src[at] == '{' || p.src[at] == '}' {
		p.off++
		return p.src[at:p.off], at
	}
	for p.off < len(p.src) && !isBlank(p.src[p.off]) && p.src[p.off] != '{' && p.src[p.off] != '}' {
		p.off++
	}
	return p.src[at:p.off], at
}

// entries reads up to the closing brace of the entry called name, or to the
// end of the text at depth 0.
func (p *parser) entries(name string, depth int) (entry, error) {
	e := entry{name: name}
	if depth > MaxDepth {
		return e, p.wrap(p.off, limit("", "depth of features", MaxDepth, int64(depth)))
	}
	open := p.off
	for {
		tok, at := p.next()
		if tok != "" && tok != "{" && tok != "}" {
			if p.count++; p.count > MaxEntries {
				return e, p.wrap(at, limit("", "entries of features", MaxEntries, int64(p.count)))
			}
		}
		switch tok {
		case "":
			if depth > 0 {
				return e, p.fail(open-1, diag.CodeFeaturesSyntax, "unclosed brace of feature "+name, "")
			}
			return e, e.sort(p, at)
		case "}":
			if depth == 0 {
				return e, p.fail(at, diag.CodeFeaturesSyntax, "closing brace without an opening one", tok)
			}
			return e, e.sort(p, at)
		case "{":
			n := len(e.words)
			if n == 0 && depth == 0 && len(e.sub) == 0 {
				// Braces around everything.
				inner, err := p.entries("", depth+1)
				if err != nil {
					return e, err
				}
				if rest, at := p.next(); rest != "" {
					return e, p.fail(at, diag.CodeFeaturesSyntax, "text after the closing brace", rest)
				}
				return inner, nil
			}
			if n == 0 {
				return e, p.fail(at, diag.CodeFeaturesSyntax, "opening brace without a name", tok)
			}
			// What looked like the last word is the name of an entry.
			child, err := p.entries(e.words[n-1], depth+1)
			if err != nil {
				return e, err
			}
			e.words = e.words[:n-1]
			e.sub = append(e.sub, child)
		default:
			if i := strings.IndexFunc(tok, isControl); i >= 0 {
				return e, p.fail(at+i, diag.CodeFeaturesSyntax, "control character in a feature", tok)
			}
			e.words = append(e.words, tok)
		}
	}
}

// sort orders the entries below e and refuses a name that is there twice.
func (e *entry) sort(p *parser, at int) error {
	slices.SortStableFunc(e.sub, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(e.sub); i++ {
		if e.sub[i].name == e.sub[i-1].name {
			return p.fail(at, diag.CodeFeaturesDuplicate, "feature repeated at one level", e.sub[i].name)
		}
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (p *parser) fail(off int, code diag.Code, msg, text string) *diag.Diagnostic {
	return p.wrap(off, &diag.Diagnostic{Code: code, Message: msg, Text: text})
}

func (p *parser) wrap(off int, d *diag.Diagnostic) *diag.Diagnostic {
	off = max(off, 0)
	before := p.src[:off]
	d.Pos.Offset = off
	d.Pos.Line = 1 + strings.Count(before, "\n")
	d.Pos.Column = off - strings.LastIndexByte(before, '\n')
	return d
}

func limit(file, what string, max, got int64) *diag.Diagnostic {
	err := &diag.LimitError{What: what, Limit: max, Got: got}
	d := &diag.Diagnostic{Code: diag.CodeFeaturesLimit, Message: err.Error(), Err: err}
	d.Pos.File = file
	return d
}

var errNotRegular = errors.New("not a regular file")

// ReadFile parses a feature file. It reads no more of it than Parse takes, and
// opens nothing but regular files: a pipe could keep it waiting. An error
// comes from fsys, or is a *fs.PathError for what is not a regular file, or a
// *diag.Diagnostic.
func ReadFile(fsys fs.FS, name string) (*Set, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := wholefile.Read(f, info.Size(), MaxSize)
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// FromFS reads the tree of a features directory, as in
// FromFS(os.DirFS("/sys/kernel/security/apparmor/features")): a directory is
// an entry, a regular file is a leaf whose words are its content. The same
// limits as for Parse hold. Errors are *diag.Diagnostic and wrap those of the
// file system.
func FromFS(fsys fs.FS) (*Set, error) {
	r := treeReader{fsys: fsys}
	root, err := r.dir(".", "", 0)
	if err != nil {
		return nil, err
	}
	return newSet(root), nil
}

type treeReader struct {
	fsys  fs.FS
	count int
	bytes int64
	buf   bytes.Buffer // of one file after the other
}

func (r *treeReader) dir(path, name string, depth int) (entry, error) {
	e := entry{name: name}
	if depth > MaxDepth {
		return e, limit(path, "depth of features", MaxDepth, int64(depth))
	}
	list, err := fs.ReadDir(r.fsys, path) // sorted by name
	if err != nil {
		return e, readError(path, err)
	}
	for _, d := range list {
		if r.count++; r.count > MaxEntries {
			return e, limit(path, "entries of features", MaxEntries, int64(r.count))
		}
		below := d.Name()
		if path != "." {
			below = path + "/" + d.Name()
		}
		if strings.IndexFunc(d.Name(), isControl) >= 0 || strings.ContainsAny(d.Name(), "{} ") {
			return e, &diag.Diagnostic{Code: diag.CodeFeaturesSyntax, Message: "invalid name of a feature", Text: d.Name()}
		}
		var child entry
		if d.IsDir() {
			child, err = r.dir(below, d.Name(), depth+1)
		} else {
			child, err = r.file(below, d.Name())
		}
		if err != nil {
			return e, err
		}
		e.sub = append(e.sub, child)
	}
	return e, nil
}

func (r *treeReader) file(path, name string) (entry, error) {
	f, err := r.fsys.Open(path)
	if err != nil {
		return entry{}, readError(path, err)
	}
	defer f.Close()
	// Files of securityfs have no size, so the limit is put on the reading.
	r.buf.Reset()
	n, err := r.buf.ReadFrom(io.LimitReader(f, MaxSize-r.bytes+1))
	if err != nil {
		return entry{}, readError(path, err)
	}
	if r.bytes += n; r.bytes > MaxSize {
		return entry{}, limit(path, "bytes of features", MaxSize, r.bytes)
	}
	text := r.buf.String()
	words := strings.FieldsFunc(text, func(c rune) bool { return c < 0x80 && isBlank(byte(c)) })
	for _, w := range words {
		if strings.ContainsAny(w, "{}") || strings.IndexFunc(w, isControl) >= 0 {
			d := &diag.Diagnostic{Code: diag.CodeFeaturesSyntax, Message: "invalid word in a feature", Text: w}
			d.Pos.File = path
			return entry{}, d
		}
	}
	if r.count += len(words); r.count > MaxEntries {
		return entry{}, limit(path, "entries of features", MaxEntries, int64(r.count))
	}
	return entry{name: name, words: words}, nil
}

func readError(path string, err error) error {
	d := &diag.Diagnostic{Code: diag.CodeFeaturesRead, Message: fmt.Sprintf("cannot read features: %v", cause(err)), Err: err}
	d.Pos.File = path
	return d
}

// cause strips the path of a *fs.PathError, which the diagnostic shows itself.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
