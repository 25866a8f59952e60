package parser

import (
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

type corner struct {
	ID, Group, Profile string
	Verdict            string `json:"upstream_6_0"`
	Message            string `json:"upstream_6_0_message"`
}

func TestCornersRaw(t *testing.T) {
	for _, c := range testenv.CorpusLines[corner](t, "corners.jsonl.gz") {
		_, err := Config{Context: ContextFile}.Parse(t.Context(), "", c.Profile)
		if (err == nil) != (c.Verdict == "accept") {
			t.Errorf("%s %s %q: %s (%s), got %v", c.ID, c.Group, c.Profile, c.Verdict, c.Message, err)
		}
	}
}
