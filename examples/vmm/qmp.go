// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"time"
)

// monitor is a connection to QEMU's control socket.
type monitor struct {
	conn   net.Conn
	in     *json.Decoder
	events []string // that came while an answer was waited for
}

// message is what QEMU sends: an answer or an event.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// dial connects to a QEMU that is starting, or that runs already.
func dial(ctx context.Context, socket string) (*monitor, error) {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			select {
			case <-ctx.Done():
				return nil, err
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		m := &monitor{conn: conn, in: json.NewDecoder(conn)}
		var greeting json.RawMessage
		if err = m.deadline(ctx); err == nil {
			err = m.in.Decode(&greeting)
		}
		if err == nil {
			err = m.do(ctx, "qmp_capabilities", nil)
		}
		if err != nil {
			_ = conn.Close() // the first error counts
			return nil, err
		}
		return m, nil
	}
}

func (m *monitor) Close() error { return m.conn.Close() }

func (m *monitor) deadline(ctx context.Context) error {
	end, _ := ctx.Deadline()
	return m.conn.SetDeadline(end)
}

// do executes a command and waits for its answer.
func (m *monitor) do(ctx context.Context, command string, arguments map[string]any) error {
	if err := m.deadline(ctx); err != nil {
		return err
	}
	out := map[string]any{"execute": command}
	if arguments != nil {
		out["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(out); err != nil {
		return err
	}
	for {
		msg, err := m.next()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", command, err)
		case msg.Event != "":
			m.events = append(m.events, msg.Event)
		case msg.Error != nil:
			return fmt.Errorf("%s: %s", command, msg.Error.Desc)
		default:
			return nil
		}
	}
}

func (m *monitor) next() (message, error) {
	var msg message
	err := m.in.Decode(&msg)
	return msg, err
}

// wait waits for an event, which may have come already.
func (m *monitor) wait(ctx context.Context, event string) error {
	if err := m.deadline(ctx); err != nil {
		return err
	}
	for {
		if i := slices.Index(m.events, event); i >= 0 {
			m.events = slices.Delete(m.events, i, i+1)
			return nil
		}
		msg, err := m.next()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", event, err)
		}
		if msg.Event != "" {
			m.events = append(m.events, msg.Event)
		}
	}
}
