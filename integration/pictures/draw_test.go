package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/so-config/kibana"
)

// The answer is nested as by Elasticsearch: a time with two groups, an empty one, a missing value.
func TestAnswersBecomeRows(t *testing.T) {
	var aggs map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(`{"group0": {"buckets": [
		{"key": 1772409600000, "key_as_string": "2026-03-02T00:00:00.000Z", "doc_count": 3, "group1": {"buckets": [
			{"key": "high", "doc_count": 2, "value0": {"value": 0.7}}, {"key": "low", "doc_count": 1, "value0": {"value": null}}]}},
		{"key": 1772413200000, "key_as_string": "2026-03-02T01:00:00.000Z", "doc_count": 0, "group1": {"buckets": []}}]}}`), &aggs))
	rows, err := flatten(aggs, nil, 2, 1)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), rows[0].Keys[0].Time)
	require.Equal(t, []float64{0.7}, rows[0].Values)
	require.Equal(t, "low", rows[1].Keys[1].Text)
	require.True(t, math.IsNaN(rows[1].Values[0]))
	require.Empty(t, rows[2].Values)

	c := pivot(kibana.Panel{Values: []kibana.Value{{}}}, rows)
	require.Len(t, c.places, 2)
	require.Equal(t, []string{"high", "low"}, c.names)
	require.InDelta(t, 0.7, c.height(true), 0)
}

func TestTextOutOfDataIsHarmless(t *testing.T) {
	evil := `<script>alert(1)</script>"`
	rows := []row{{Keys: []key{{Text: evil}}, Values: []float64{2}}}
	for _, kind := range []kibana.Kind{kibana.Table, kibana.Donut, kibana.Bars} {
		p := kibana.Panel{Kind: kind, W: 24, H: 12, By: []kibana.Group{{Field: "dwell.pair", Size: 5}}, Values: []kibana.Value{{Op: kibana.Unique}}}
		body := string(draw(p, rows).Body)
		require.NotContains(t, body, "<script", kind)
		require.Contains(t, body, "&lt;script&gt;", kind)
	}
	found := string(draw(kibana.Panel{Kind: kibana.Found, Search: "dwell-raw", W: 24, H: 12}, []row{{Keys: []key{{Text: evil}}}}).Body)
	require.NotContains(t, found, "<script")
	require.Contains(t, found, "<th>In Hunt</th>")
}

func TestScalesAreRound(t *testing.T) {
	for _, test := range []struct {
		top    float64
		format kibana.Format
		want   float64
	}{{3, "", 1}, {37, "", 10}, {1, kibana.Score, 0.2}, {310, kibana.Duration, 120}, {340 * 1024, kibana.Bytes, 100 * 1024}} {
		require.InDelta(t, test.want, step(test.top, test.format), 1e-9, test.top)
	}
}
