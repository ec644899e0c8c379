package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"dwell/internal/es"
	"dwell/so-config"
)

// NotInstalledError means that a stream of ours does not have our mapping, or would not get it when it is made. Writing
// would let Elasticsearch guess the types, and the guesses are wrong (a first score of 1 makes all scores whole numbers).
type NotInstalledError struct {
	// What is missing, on which stream.
	What, Stream string
}

// Error names the stream, what is missing and what to do.
func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("%s: %s; nothing was written: run `dwell install` once, with an administrator's credentials", e.Stream, e.What)
}

// Ready says whether documents written to the streams will get our mappings: the streams are there with them, or the
// index templates are. The error is an *NotInstalledError or what kept us from looking.
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

// mapping is what of an index's mapping is looked at.
type mapping struct {
	Meta struct {
		ManagedBy string `json:"managed_by"`
		Version   int    `json:"version"`
	} `json:"_meta"`
	Properties map[string]any `json:"properties"`
}

// writeMappings gives the mapping of each stream's newest backing index, which is the one that is written to. Streams that
// do not exist are left out.
func writeMappings(ctx context.Context, c *es.Client, streams []string) (map[string]mapping, error) {
	out := make(map[string]mapping, len(streams))
	for _, stream := range streams {
		var indices map[string]struct {
			Mappings mapping `json:"mappings"`
		}
		err := c.Do(ctx, es.Call{Op: "read the mapping of", Index: stream, Decode: es.JSON(&indices),
			Request: Request{Method: "GET", Path: "/" + stream + "/_mapping"}})
		if es.Is(err, es.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var names []string
		for name := range indices {
			names = append(names, name)
		}
		if len(names) > 0 {
			// Backing indices end in a generation of six digits, so text order is their order, but for the date before it.
			newest := slices.MaxFunc(names, byGeneration)
			out[stream] = indices[newest].Mappings
		}
	}
	return out, nil
}

// byGeneration orders backing indices (".ds-logs-dwell.hunt-so-2026.11.23-000002") by their generation.
func byGeneration(a, b string) int {
	return strings.Compare(a[max(0, len(a)-6):], b[max(0, len(b)-6):])
}

// exists says whether a path answers at all; 404 is no error here.
func exists(ctx context.Context, c *es.Client, path, op string) (bool, error) {
	var found json.RawMessage
	err := c.Do(ctx, es.Call{Op: op, Request: Request{Method: "GET", Path: path}, Decode: es.JSON(&found)})
	if es.Is(err, es.NotFound) {
		return false, nil
	}
	return err == nil, err
}
