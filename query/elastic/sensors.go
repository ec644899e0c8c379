package elastic

import (
	"context"
	"encoding/json"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// searcher is the cluster, with each search narrowed to one sensor's records if that was requested.
type searcher struct {
	*es.Client
	// sensor is an observer.name; empty stands for documents without one. nil means all.
	sensor *string
}

// Search is es.Client's.
func (s searcher) Search(ctx context.Context, req es.SearchRequest, decode func(es.SearchResult) error) error {
	if s.sensor != nil {
		body, err := narrowed(req.Body, *s.sensor)
		if err != nil {
			return fmt.Errorf("narrow a search to a sensor: %w", err)
		}
		req.Body = body
	}
	return s.Client.Search(ctx, req, decode)
}

// narrowed adds a sensor to a search's query.
func narrowed(body []byte, sensor string) ([]byte, error) {
	search := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &search); err != nil {
		return nil, err
	}
	with := object{"filter": []any{dsl.Term(securityonion.FieldObserver, sensor)}}
	if sensor == "" {
		with = object{"must_not": []any{dsl.Exists(securityonion.FieldObserver)}}
	}
	if q, ok := search["query"]; ok {
		with["must"] = []any{q}
	}
	q, err := json.Marshal(object{"bool": with})
	if err != nil {
		return nil, err
	}
	search["query"] = q
	return json.Marshal(search)
}

// ForSensor is the same source, narrowed to one sensor's records.
func (s *Source) ForSensor(name string) *Source {
	one := *s
	one.client.sensor = &name
	return &one
}

// BySensor is [hunt.Session.Sensors] by observer.name.
func (s *Source) BySensor(ctx context.Context, req hunt.Request) (hunt.Window, []hunt.SensorPart, []hunt.Note, error) {
	now, _, err := s.clock(ctx) // Read reports what is odd about it
	if err != nil {
		return hunt.Window{}, nil, nil, err
	}
	window, err := req.WindowAt(now)
	if err != nil {
		return hunt.Window{}, nil, nil, err
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return window, nil, nil, err
	}
	var notes []hunt.Note
	sensors, _, err := s.sensorHours(ctx, names, window.Start.UnixMilli(), window.End.UnixMilli(), &notes)
	if err != nil {
		return window, nil, nil, fmt.Errorf("look for sensors: %w", err)
	}
	var parts []hunt.SensorPart
	for _, sensor := range sensors {
		parts = append(parts, hunt.SensorPart{Name: sensor.Name, Source: s.ForSensor(sensor.Name)})
	}
	return window, parts, notes, nil
}
