package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"dwell/integration/pictures/lens"
)

// key is a group's value: Text for display, Time only for a time group.
type key struct {
	Text string
	Time time.Time
}

// row is one innermost group with its values; NaN is a missing value.
type row struct {
	Keys   []key
	Values []float64
	// Texts are the values that are text, by index.
	Texts map[int]string
}

// documents turns an answer's documents into rows, with a key per column.
func documents(hits json.RawMessage, columns []string) ([]row, error) {
	var found struct {
		Hits []struct{ Fields map[string][]any }
	}
	if err := json.Unmarshal(hits, &found); err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	rows := make([]row, len(found.Hits))
	for i, h := range found.Hits {
		for _, c := range columns {
			text := ""
			if values := h.Fields[c]; len(values) > 0 {
				text = fmt.Sprint(values[0])
			}
			if strings.HasPrefix(c, "dwell.links.") && text != "" {
				text = map[string]string{"dwell.links.soc_hunt": "open Hunt", "dwell.links.kibana": "open Discover"}[c]
			}
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				text = at.UTC().Format("2 Jan, 15:04")
			}
			rows[i].Keys = append(rows[i].Keys, key{Text: text})
		}
	}
	return rows, nil
}

// flatten turns nested groups into rows, in the answer's order.
func flatten(aggs map[string]json.RawMessage, outer []key, groups, values int) ([]row, error) {
	if len(outer) == groups {
		r := row{Keys: outer, Texts: map[int]string{}}
		for i := range values {
			number, text, err := lens.Answer(aggs[fmt.Sprint("value", i)])
			if err != nil {
				return nil, fmt.Errorf("value%d: %w", i, err)
			}
			if number == nil {
				r.Values = append(r.Values, math.NaN())
			} else {
				r.Values = append(r.Values, *number)
			}
			if text != "" {
				r.Texts[i] = text
			}
		}
		return []row{r}, nil
	}
	var group struct{ Buckets []map[string]json.RawMessage }
	if err := json.Unmarshal(aggs[fmt.Sprint("group", len(outer))], &group); err != nil {
		return nil, fmt.Errorf("read group%d: %w", len(outer), err)
	}
	var rows []row
	for _, b := range group.Buckets {
		k, err := readKey(b)
		if err != nil {
			return nil, err
		}
		inner, err := flatten(b, append(outer[:len(outer):len(outer)], k), groups, values)
		if err != nil {
			return nil, err
		}
		// Keep an empty time bucket: bars and lines have a place for it.
		if len(inner) == 0 && !k.Time.IsZero() {
			inner = []row{{Keys: []key{k}}}
		}
		rows = append(rows, inner...)
	}
	return rows, nil
}

// readKey reads a bucket's key. Only date histograms and booleans have key_as_string; a boolean's key is 0 or 1.
func readKey(bucket map[string]json.RawMessage) (key, error) {
	var v any
	if err := json.Unmarshal(bucket["key"], &v); err != nil {
		return key{}, fmt.Errorf("read a group's key: %w", err)
	}
	var text string
	if s, ok := bucket["key_as_string"]; ok {
		if err := json.Unmarshal(s, &text); err != nil {
			return key{}, fmt.Errorf("read a group's key: %w", err)
		}
	}
	switch v := v.(type) {
	case string:
		return key{Text: v}, nil
	case float64:
		if text == "" {
			return key{Text: strconv.FormatFloat(v, 'f', -1, 64)}, nil
		}
		if text == "true" || text == "false" {
			return key{Text: text}, nil
		}
		return key{Text: text, Time: time.UnixMilli(int64(v)).UTC()}, nil
	}
	return key{}, fmt.Errorf("a group's key is %v, which is no text and no number", v)
}
