// Package lens makes the request that Kibana's Lens would send for a dashboard panel, so that tests can run it on a
// real Elasticsearch and the documentation's pictures show its answer.
package lens

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"dwell/so-config/kibana"
)

// Request is the search that Lens sends for the panel over a time range: the same filters, groups and values, nested in
// the same order. It is nil for a Text panel; for a Found panel it requests the newest documents' columns as fields.
// Groups are named "group0", "group1", values "value0".
func Request(p *kibana.Panel, from, to time.Time) ([]byte, error) {
	if p.Kind == kibana.Text {
		return nil, nil
	}
	must := []any{
		map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": from.UTC().Format(time.RFC3339), "lte": to.UTC().Format(time.RFC3339)}}},
		map[string]any{"term": map[string]any{"event.dataset": p.Dataset}},
	}
	mustNot := []any{}
	for _, c := range p.Where {
		clause := map[string]any{"term": map[string]any{c.Field: c.Value}}
		if c.AtLeast {
			clause = map[string]any{"range": map[string]any{c.Field: map[string]any{"gte": c.Value}}}
		}
		if c.Not {
			mustNot = append(mustNot, clause)
		} else {
			must = append(must, clause)
		}
	}
	body := map[string]any{"size": 0, "track_total_hits": true, "query": map[string]any{"bool": map[string]any{"filter": must, "must_not": mustNot}}}
	if p.Kind == kibana.Found {
		body["size"], body["sort"], body["_source"], body["fields"] = 50, []any{map[string]any{"@timestamp": "desc"}}, false, Columns(p)
	} else {
		body["aggs"] = groups(p, 0, from, to)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the request of panel %q: %w", p.Title, err)
	}
	return b, nil
}

// Columns are the columns of a Found panel.
func Columns(p *kibana.Panel) []string {
	for _, s := range kibana.Searches() {
		if s.ID == p.Search {
			return s.Columns
		}
	}
	return nil
}

// Fields are all fields that the panel uses, unsorted and with duplicates.
func Fields(p *kibana.Panel) []string {
	out := append([]string{"@timestamp", "event.dataset"}, Columns(p)...)
	for _, c := range p.Where {
		out = append(out, c.Field)
	}
	for _, g := range p.By {
		out = append(out, g.Field)
	}
	for _, v := range p.Values {
		out = append(out, v.Field)
	}
	return out
}

// groups nests the groups from depth n.
func groups(p *kibana.Panel, n int, from, to time.Time) map[string]any {
	values := map[string]any{}
	for i, v := range p.Values {
		values["value"+strconv.Itoa(i)] = agg(v)
	}
	if n == len(p.By) {
		return values
	}
	g := p.By[n]
	if g.Size == 0 {
		// Lens aims at about fifty bars, and shows empty ones too.
		every := max(to.Sub(from)/50, time.Minute).Truncate(time.Minute)
		return map[string]any{"group" + strconv.Itoa(n): map[string]any{
			"date_histogram": map[string]any{"field": g.Field, "fixed_interval": fmt.Sprintf("%dm", int(every.Minutes())), "min_doc_count": 0,
				"extended_bounds": map[string]any{"min": from.UnixMilli(), "max": to.UnixMilli()}}, "aggs": groups(p, n+1, from, to)}}
	}
	// Groups are sorted by the first value, so every level must have it.
	inner := groups(p, n+1, from, to)
	inner["value0"] = agg(p.Values[0])
	return map[string]any{"group" + strconv.Itoa(n): map[string]any{
		"terms": map[string]any{"field": g.Field, "size": g.Size, "order": map[string]any{"value0": "desc"}}, "aggs": inner}}
}

// agg is the value as an aggregation.
func agg(v kibana.Value) map[string]any {
	switch v.Op {
	case kibana.Median:
		return map[string]any{"percentiles": map[string]any{"field": v.Field, "percents": []int{50}}}
	case kibana.Last: // of documents that have the field, as Lens filters
		return map[string]any{"filter": map[string]any{"exists": map[string]any{"field": v.Field}},
			"aggs": map[string]any{"last": map[string]any{"top_hits": map[string]any{"size": 1, "_source": false, "fields": []string{v.Field}, "sort": []any{map[string]any{"@timestamp": "desc"}}}}}}
	}
	name := map[kibana.Op]string{kibana.Unique: "cardinality", kibana.Max: "max", kibana.Min: "min", kibana.Average: "avg", kibana.Sum: "sum", kibana.Count: "value_count"}[v.Op]
	return map[string]any{name: map[string]any{"field": v.Field}}
}

// Format is how Kibana shows the value. A distinct count is a plain number, whatever the field.
func Format(v kibana.Value) kibana.Format {
	if v.Op == kibana.Unique {
		return ""
	}
	return kibana.Formats[v.Field]
}

// Answer reads a value of a response: a number or, for a text field, its text. Both are empty if no document has the
// field.
func Answer(raw json.RawMessage) (number *float64, text string, err error) {
	var v struct {
		Value  *float64            `json:"value"`
		Values map[string]*float64 `json:"values"`
		Last   struct {
			Hits struct {
				Hits []struct {
					Fields map[string][]any `json:"fields"`
				} `json:"hits"`
			} `json:"hits"`
		} `json:"last"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, "", fmt.Errorf("read a value: %w", err)
	}
	if median, ok := v.Values["50.0"]; ok {
		return median, "", nil
	}
	for _, hit := range v.Last.Hits.Hits {
		for _, values := range hit.Fields {
			switch m := values[0].(type) {
			case float64:
				return &m, "", nil
			case string:
				return nil, m, nil
			}
		}
	}
	return v.Value, "", nil
}
