package zeek

import (
	"context"
	"fmt"
	"slices"

	"dwell/internal/hunt"
)

// BySensor is [hunt.Session.Sensors]: each given path is a sensor. The connections are read once more for the window
// that all share.
func (s *Source) BySensor(ctx context.Context, req hunt.Request) (hunt.Window, []hunt.SensorPart, []hunt.Note, error) {
	if len(s.opts.Paths) < 2 {
		return hunt.Window{}, nil, nil, fmt.Errorf("by sensor, each path is a sensor: give one --zeek for each")
	}
	for i, p := range s.opts.Paths {
		if slices.Contains(s.opts.Paths[:i], p) {
			return hunt.Window{}, nil, nil, fmt.Errorf("by sensor, each path is a sensor: %s is given twice", p)
		}
	}
	req.Progress = nil
	reading, err := s.Read(ctx, req, func([]hunt.Connection) error { return ctx.Err() })
	if err != nil {
		return hunt.Window{}, nil, nil, err
	}
	var parts []hunt.SensorPart
	for _, p := range s.opts.Paths {
		o := s.opts
		o.Paths = []string{p}
		parts = append(parts, hunt.SensorPart{Name: p, Source: New(o)})
	}
	return reading.Window, parts, nil, nil
}
