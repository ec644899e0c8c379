package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dwell/internal/es"
	"dwell/so-config"
)

// NotInstalledError means that a stream lacks dwell's mapping, or would be created without it. Writing would make
// Elasticsearch guess the types, wrongly (a first score of 1 makes all scores integers).
type NotInstalledError struct {
	// What is missing, on which stream.
	What, Stream string
}

// Error names the stream, what is missing and what to do.
func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("%s: %s; nothing was written: run `dwell install` once, with an administrator's credentials", e.Stream, e.What)
}

// Ready checks that documents written to the streams get dwell's mappings: from existing streams or from the index
// templates. The error is an *NotInstalledError or why the check failed.
func (s *Store) Ready(ctx context.Context, streams ...string) error {
	mappings, err := writeMappings(ctx, s.client, streams)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		m, there := mappings[stream]
		switch {
		case there && m.Meta.ManagedBy != soconfig.ManagedBy:
			return &NotInstalledError{Stream: stream, What: "the data stream was made without dwell's template, so its field types are guesses"}
		case there:
			continue
		}
		name := templateOf(stream)
		found, err := exists(ctx, s.client, "/_index_template/"+name, "look for index template "+name)
		if err != nil {
			return err
		}
		if !found {
			return &NotInstalledError{Stream: stream, What: "there is no index template " + name}
		}
	}
	return nil
}

// mapping is the part of an index's mapping that is checked.
type mapping struct {
	Meta struct {
		ManagedBy string `json:"managed_by"`
		Version   int    `json:"version"`
	} `json:"_meta"`
	Properties map[string]any `json:"properties"`
}

// writeMappings returns the mapping of each stream's newest backing index, the write index. It omits streams that do
// not exist.
func writeMappings(ctx context.Context, c *es.Client, streams []string) (map[string]mapping, error) {
	out := make(map[string]mapping, len(streams))
	for _, stream := range streams {
		var indices map[string]struct {
			Mappings mapping `json:"mappings"`
		}
		err := c.Do(ctx, es.Call{Op: "read the mapping of", Index: stream, Decode: es.JSON(&indices),
			Request: es.Request{Method: "GET", Path: "/" + stream + "/_mapping"}})
		if es.Is(err, es.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(indices) > 0 {
			// Names of backing indices end in a six-digit generation, after a date.
			newest := slices.MaxFunc(slices.Collect(maps.Keys(indices)), byGeneration)
			out[stream] = indices[newest].Mappings
		}
	}
	return out, nil
}

// byGeneration orders backing indices (".ds-logs-dwell.hunt-so-2026.11.23-000002") by generation.
func byGeneration(a, b string) int {
	return strings.Compare(a[max(0, len(a)-6):], b[max(0, len(b)-6):])
}

// exists reports whether a path exists; 404 is not an error.
func exists(ctx context.Context, c *es.Client, path, op string) (bool, error) {
	var found json.RawMessage
	err := c.Do(ctx, es.Call{Op: op, Request: es.Request{Method: "GET", Path: path}, Decode: es.JSON(&found)})
	if es.Is(err, es.NotFound) {
		return false, nil
	}
	return err == nil, err
}
