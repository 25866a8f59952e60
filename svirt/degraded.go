// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
)

// degradations tells of rules that are not enforced as written. The templates
// of this package are written for every kernel, so each kernel leaves out some
// of their rules for each machine: that is known, and told once. What others
// have written is told whenever it is compiled. The zero value has told nothing.
type degradations struct {
	mu   sync.Mutex
	told map[ownLine]bool
}

// ownLine is a line of this package's policy: of the file of that name, or,
// without one, of any template.
type ownLine struct{ file, text string }

// ownLines are the lines of all files of this package's policy.
var ownLines = sync.OnceValue(func() map[ownLine]bool {
	lines := map[ownLine]bool{}
	_ = fs.WalkDir(PolicyFS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(PolicyFS(), name)
		if strings.HasPrefix(name, "libvirt/") {
			name = ""
		}
		for line := range strings.Lines(string(text)) {
			lines[ownLine{name, strings.TrimSpace(line)}] = true
		}
		return err
	}) // it is embedded
	return lines
})

// tell logs what is not enforced of a profile.
func (t *degradations) tell(ctx context.Context, logger *slog.Logger, src *Source, unit *ast.Unit, list []compile.Degradation) {
	if len(list) == 0 {
		return
	}
	// By name, what the profile is made of besides its own file.
	texts := map[string]string{}
	for _, files := range unit.Included {
		for _, f := range files {
			texts[f.Name] = f.Src
		}
	}
	if src.Rules != nil {
		texts[src.Rules.Name] = "" // the machine's, not a template's
	}
	var others, own []compile.Degradation
	for _, d := range list {
		l := ownLine{file: d.Pos.File}
		text, included := texts[d.Pos.File]
		if !included {
			// With the name of the machine it is the template's again.
			l.file, text = "", src.File.Src
		}
		l.text = lineOf(text, d.Pos.Line)
		if !included {
			l.text = src.names().replaced(l.text, saidNames{templateName, machineName})
		}
		if !ownLines()[l] {
			others = append(others, d)
		} else if t.first(ctx, logger, l) {
			own = append(own, d)
		}
	}
	const message = "the kernel cannot enforce all of a profile"
	if len(own) > 0 {
		logger.DebugContext(ctx, message, "templates", true, "rules", len(own), "first", own[0].String())
	}
	if len(others) > 0 {
		logger.InfoContext(ctx, message, "profile", src.Profile, "rules", len(others), "first", others[0].String())
	}
}

// first reports whether a line of a template is to be told of: nobody was told,
// and somebody listens.
func (t *degradations) first(ctx context.Context, logger *slog.Logger, l ownLine) bool {
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told[l] {
		return false
	}
	if t.told == nil {
		t.told = map[ownLine]bool{}
	}
	t.told[l] = true
	return true
}

// lineOf returns a line of a text, counted from 1, without the blanks around.
func lineOf(text string, n int) string {
	i := 0
	for line := range strings.Lines(text) {
		if i++; i == n {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
