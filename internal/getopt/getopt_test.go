// SPDX-License-Identifier: Apache-2.0

package getopt_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/internal/getopt"
)

type seen struct{ words []string }

func note(name string) func(*seen, string) error {
	return func(s *seen, arg string) error {
		if arg == "bad" {
			return errors.New("refused")
		}
		s.words = append(s.words, name+"="+arg)
		return nil
	}
}

// TestParse reads command lines in every form that getopt_long(3) knows.
func TestParse(t *testing.T) {
	p := getopt.Parser[seen]{
		Options: []getopt.Option[seen]{
			{Long: []string{"all"}, Short: 'a', Set: note("all")},
			{Long: []string{"file"}, Short: 'f', Takes: getopt.Needed, Set: note("file")},
			{Long: []string{"find", "search"}, Takes: getopt.Needed, Set: note("find")},
			{Long: []string{"help"}, Short: 'h', Takes: getopt.Optional, Set: note("help")},
		},
		Done: func(s *seen) bool { return slices.Contains(s.words, "help=") },
	}
	for _, tt := range []struct {
		args     []string
		words    []string
		operands []string
		err      string
	}{
		{nil, nil, nil, ""},
		{[]string{"x", "-a", "y"}, []string{"all="}, []string{"x", "y"}, ""},
		{[]string{"-af", "v", "-fw"}, []string{"all=", "file=v", "file=w"}, nil, ""},
		{[]string{"--file=v", "--file", "w", "--file="}, []string{"file=v", "file=w", "file="}, nil, ""},
		{[]string{"--al", "--fil", "v", "--se", "w"}, []string{"all=", "file=v", "find=w"}, nil, ""},
		{[]string{"-hx", "--help=y"}, []string{"help=x", "help=y"}, nil, ""},
		{[]string{"-h", "-z"}, []string{"help="}, nil, ""},
		{[]string{"-a", "--", "-a", "--x"}, []string{"all="}, []string{"-a", "--x"}, ""},
		{[]string{"-", "-f", "-"}, []string{"file=-"}, []string{"-"}, ""},
		{[]string{"--fi=v"}, nil, nil, "option '--fi' is ambiguous; possibilities: '--file' '--find'"},
		{[]string{"--none"}, nil, nil, "unrecognized option '--none'"},
		{[]string{"-az"}, []string{"all="}, nil, "invalid option -- 'z'"},
		{[]string{"-f"}, nil, nil, "option requires an argument -- 'f'"},
		{[]string{"--file"}, nil, nil, "option '--file' requires an argument"},
		{[]string{"--all=1"}, nil, nil, "option '--all' doesn't allow an argument"},
		{[]string{"--file=bad"}, nil, nil, "refused"},
		{[]string{"-fbad"}, nil, nil, "refused"},
	} {
		var got seen
		operands, err := p.Parse(&got, tt.args)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != tt.err || !slices.Equal(got.words, tt.words) || !slices.Equal(operands, tt.operands) {
			t.Errorf("%q: %q, operands %q, error %q; want %q, %q, %q", tt.args, got.words, operands, text, tt.words, tt.operands, tt.err)
		}
	}
	p.Posix = true
	var got seen
	if operands, err := p.Parse(&got, []string{"-a", "x", "-a"}); err != nil || !slices.Equal(operands, []string{"x", "-a"}) || len(got.words) != 1 {
		t.Errorf("%q %q %v", got.words, operands, err)
	}
}
