package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"dwell/internal/es"
	"dwell/so-config"
)

// planStreams creates missing streams, so that the dashboards' fields exist before the first hunt, and adapts existing
// ones to the templates. New fields are added to the write index. If a field's type differs, the stream is rolled over
// to a new index, because a type cannot be changed; older documents stay as they are.
func (in *Installer) planStreams(ctx context.Context, objects []soconfig.Object) ([]Step, error) {
	wanted, err := streamMappings(objects)
	if err != nil {
		return nil, err
	}
	streams := slices.Sorted(maps.Keys(wanted))
	there, err := writeMappings(ctx, in.client, streams)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, stream := range streams {
		have, ok := there[stream]
		if !ok {
			steps = append(steps, Step{Kind: kindOf(stream), Name: stream, Change: Create, Request: es.Request{Method: "PUT", Path: pathOfStream(stream)}})
			continue
		}
		step := Step{Kind: kindOf(stream), Name: stream, Change: Unchanged}
		var ours mapping
		if err := json.Unmarshal(wanted[stream], &ours); err != nil {
			return nil, fmt.Errorf("read so-config mapping of %s: %w", stream, err)
		}
		diff := difference{}
		diff.compare("", ours.Properties, have.Properties)
		switch {
		case have.Meta.Version > ours.Meta.Version:
			step.Change, step.Why = Keep, fmt.Sprintf("its mapping, version %d, is newer than this dwell's %d", have.Meta.Version, ours.Meta.Version)
		case len(diff.types) > 0 && stream == soconfig.DispositionStream:
			return nil, fmt.Errorf("plan the installation: %s of index %s has another type, and an index cannot be rolled over: reindex it under another name, delete it, run dwell install, and reindex it back", diff.types[0], stream)
		case len(diff.types) > 0:
			step.Change, step.Why = Upgrade, fmt.Sprintf("%s cannot be changed in place: a new index is begun", diff.types[0])
			step.Request = es.Request{Method: "POST", Path: "/" + stream + "/_rollover"}
		case diff.missing > 0 || have.Meta != ours.Meta:
			step.Change, step.Why = Upgrade, fmt.Sprintf("%d fields are added or adjusted", diff.missing)
			step.Request = es.Request{Method: "PUT", Path: "/" + stream + "/_mapping?write_index_only=true", Body: wanted[stream]}
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// kindOf is a stream's kind: dispositions are in one index, which no policy and no disk cleaner deletes.
func kindOf(stream string) string {
	if stream == soconfig.DispositionStream {
		return "index"
	}
	return "data stream"
}

// pathOfStream is the path for creating and deleting a stream.
func pathOfStream(stream string) string {
	if stream == soconfig.DispositionStream {
		return "/" + stream
	}
	return "/_data_stream/" + stream
}

// streamMappings returns each stream's mapping from the templates, as JSON.
func streamMappings(objects []soconfig.Object) (map[string]json.RawMessage, error) {
	components := map[string]json.RawMessage{}
	out := map[string]json.RawMessage{}
	for _, o := range objects {
		var t struct {
			IndexPatterns []string `json:"index_patterns"`
			ComposedOf    []string `json:"composed_of"`
			Template      struct {
				Mappings json.RawMessage `json:"mappings"`
			} `json:"template"`
		}
		if err := json.Unmarshal(o.Body, &t); err != nil {
			return nil, fmt.Errorf("read so-config %s: %w", o.File, err)
		}
		if o.Kind == soconfig.ComponentTemplate {
			components[o.Name] = t.Template.Mappings
			continue
		}
		var parts []json.RawMessage
		for _, c := range t.ComposedOf {
			if m := components[c]; m != nil {
				parts = append(parts, m)
			}
		}
		merged, err := merge(parts)
		if err != nil {
			return nil, fmt.Errorf("read so-config mappings of %s: %w", o.Name, err)
		}
		for _, stream := range t.IndexPatterns {
			out[stream] = merged
		}
	}
	return out, nil
}

// merge joins mappings with disjoint top-level properties, as Elasticsearch does with component templates.
func merge(parts []json.RawMessage) (json.RawMessage, error) {
	whole := map[string]any{}
	properties := map[string]any{}
	for _, part := range parts {
		var m map[string]any
		if err := json.Unmarshal(part, &m); err != nil {
			return nil, err
		}
		inner, _ := m["properties"].(map[string]any)
		maps.Copy(properties, inner)
		maps.Copy(whole, m)
	}
	whole["properties"] = properties
	return json.Marshal(whole)
}

// difference is what a mapping lacks compared with dwell's.
type difference struct {
	// types are fields of another type; missing counts fields that are absent or have other parameters.
	types   []string
	missing int
}

func (d *difference) compare(prefix string, ours, theirs map[string]any) {
	for name, v := range ours {
		want, _ := v.(map[string]any)
		have, there := theirs[name].(map[string]any)
		if inner, ok := want["properties"].(map[string]any); ok {
			if there && have["properties"] == nil && have["type"] != nil {
				d.types = append(d.types, prefix+name)
				continue
			}
			below, _ := have["properties"].(map[string]any)
			d.compare(prefix+name+".", inner, below)
			continue
		}
		switch {
		case !there:
			d.missing++
		case have["properties"] != nil || have["type"] != want["type"]:
			d.types = append(d.types, prefix+name)
		case fmt.Sprint(have["ignore_above"]) != fmt.Sprint(want["ignore_above"]):
			d.missing++
		}
	}
	slices.Sort(d.types)
}
