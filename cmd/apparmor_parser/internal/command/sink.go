// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/getopt"
)

// sink is where -S and -o write to.
type sink struct {
	file *os.File
	out  io.Writer
}

func (r *run) openSink() (*sink, error) {
	if r.options.action != writeFile || r.options.stopsEarly() {
		return &sink{out: r.env.Stdout}, nil
	}
	f, err := os.Create(r.path(r.options.output))
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, getopt.Error(fmt.Sprintf("Could not open file %s: %v", r.options.output, err))
	}
	return &sink{f, f}, nil
}

// put writes the policy as files have it: compressed if that is asked for and the
// kernel that it is for can load it.
func (r *run) put(w io.Writer, p *blob.Policy) error {
	if r.options.compress == 0 || !r.features.Supports(features.CompressedLoad) {
		_, err := p.WriteTo(w)
		return err
	}
	data, err := p.AppendCompressed(nil, r.options.compress)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

func (s *sink) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
