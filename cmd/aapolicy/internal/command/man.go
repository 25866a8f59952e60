// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/goarmor/apparmor/internal/wholefile"
)

func newMan(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long:  "Man writes a manual page for this program and one for each command into a directory.",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return writePages(root, args[0])
		},
	}
}

// released is the date of the pages: they are the same whenever they are
// written.
var released = time.Date(2026, time.November, 29, 0, 0, 0, 0, time.UTC)

func writePages(c *cobra.Command, dir string) error {
	var page bytes.Buffer
	date := released
	if err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "apparmor", Manual: "AppArmor policy", Date: &date}, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	if err := wholefile.Write(filepath.Join(dir, name), page.Bytes(), wholefile.Options{Mode: 0o644}); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			if err := writePages(sub, dir); err != nil {
				return err
			}
		}
	}
	return nil
}
