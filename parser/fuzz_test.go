package parser

import (
	"errors"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/testenv"
)

// seeds adds the corner cases, where they are at hand, to a few of our own.
func seeds(f *testing.F) {
	for _, s := range []string{
		"", "/t { }", "/t {\n /a r,\n}\n", "@{V} = a \\\n \"b c\"\n$B = true and (not defined @{V} or @{V} in \"x\")\n",
		"abi <abi/4.0>,\ninclude if exists <tunables/global>\n#include \"x\"\nalias /a -> /b,\n",
		"profile p /{,usr/}bin/p xattrs=(a=b \"c\") + identities=(x) flags=(complain,attach_disconnected.path=/x) { ^h { } }\n",
		"/t { priority=-5 audit deny owner { if true { /a px -> b, } else if $B { rl /a -> /b, } else { file, } } }\n",
		"/t { network (send, receive) inet6 tcp ip=::1 port=1-2 peer=(ip=none label=x), }\n",
		"/t { unix (rw) type=stream addr=@a peer=(addr=none label=\"a,b\"), dbus send bus=session peer=(name=(a|b)), }\n",
		"/t { mount fstype=(a,b) options in (ro, bind) /a -> /b, set rlimit cpu <= 5min, signal set=(hup rtmin+3) peer=x, }\n",
		"/t { /a\\ b rwk,#c\n ! \"\n } } { , ] \\", "/t { { { { {", "if if if", "/t { if (((((((((", "\x00\xff\xfe",
	} {
		f.Add(s)
	}
	if testing.Short() {
		return
	}
	for _, c := range testenv.CorpusLines[struct{ Profile string }](f, "corners.jsonl.gz") {
		f.Add(c.Profile)
	}
}

// FuzzParse checks that any text gives a tree whose nodes are in order, nest
// and add up to the text, that there are errors exactly when there are Bad
// nodes, and that parsing without recovery agrees.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		for _, where := range []Context{ContextAuto, ContextFile, ContextBody} {
			c := Config{Context: where, Recover: 1 << 20}
			file, err := c.Parse(t.Context(), "f", src)
			if file == nil {
				t.Fatalf("no tree: %v", err)
			}
			checkTree(t, file)
			bad := 0
			for n := range ast.All(file) {
				if _, ok := n.(*ast.Bad); ok {
					bad++
				}
			}
			var list diag.List
			if errors.As(err, &list); bad > len(list) || bad == 0 && len(list) > 0 && !headError(list) {
				t.Fatalf("%d bad statements, errors %+v", bad, list)
			}
			for _, d := range list {
				if !d.Pos.IsValid() || d.Pos.Offset > len(src) || d.Message == "" || d.Code == "" {
					t.Fatalf("bad diagnostic %+v", d)
				}
			}
			c.Recover = 0
			if strict, err2 := c.Parse(t.Context(), "f", src); (err2 == nil) != (err == nil) || (strict == nil) != (err2 != nil) {
				t.Fatalf("with recovery %v, without %v", err, err2)
			}
			if err == nil {
				if err := ast.Check(file); err != nil {
					t.Fatalf("ast.Check: %v", err)
				}
			}
		}
	})
}

// headError reports whether all errors are in heads of profiles, which leave
// the profile's node whole.
func headError(list diag.List) bool {
	for _, d := range list {
		switch d.Code {
		case CodeName, CodeAttachment, CodeFlag, CodeFlagConflict, CodeXattr, CodeSyntax, CodeCharacter:
		default:
			return false
		}
	}
	return true
}

// FuzzGrammar holds the parser against the grammar of record.
func FuzzGrammar(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) < 4096 {
			compareGrammar(t, "f", src)
		}
	})
}
