package dsl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
)

// numbers is a cluster that has the documents 1 to n, and a bucket for each.
type numbers struct {
	n     int
	asked int
}

func (c *numbers) Search(_ context.Context, req es.SearchRequest, decode func(es.SearchResult) error) error {
	c.asked++
	var q struct {
		Size  int   `json:"size"`
		After []int `json:"search_after"`
		Aggs  struct {
			Page struct {
				Composite struct {
					Size  int            `json:"size"`
					After map[string]int `json:"after"`
				} `json:"composite"`
			} `json:"page"`
		} `json:"aggs"`
	}
	if err := json.Unmarshal(req.Body, &q); err != nil {
		return err
	}
	if c.n == 0 {
		return decode(es.SearchResult{})
	}
	var hits, buckets []any
	at := 0
	if q.After != nil {
		at = q.After[0]
	}
	for ; len(hits) < q.Size && at < c.n; at++ {
		hits = append(hits, Object{"_id": fmt.Sprint(at + 1), "sort": []int{at + 1}})
	}
	page := Object{}
	for at = q.Aggs.Page.Composite.After["n"]; len(buckets) < q.Aggs.Page.Composite.Size && at < c.n; at++ {
		buckets = append(buckets, Object{"key": Object{"n": at + 1}})
		page["after_key"] = Object{"n": at + 1}
	}
	page["buckets"] = buckets
	return decode(es.SearchResult{Hits: Encode(Object{"hits": hits}), Aggregations: Encode(Object{"page": page})})
}

func TestEachPage(t *testing.T) {
	for n := range 8 {
		var got []string
		c := &numbers{n: n}
		err := EachPage(t.Context(), c, Search{Size: 3}, func(page []Hit) (bool, error) {
			for _, h := range page {
				got = append(got, h.ID)
			}
			return true, nil
		})
		require.NoError(t, err)
		require.Len(t, got, n)
		require.Equal(t, n/3+1, c.asked, "a page that is not full is the last one")
	}
	c := &numbers{n: 100}
	require.NoError(t, EachPage(t.Context(), c, Search{Size: 3}, func([]Hit) (bool, error) { return c.asked < 2, nil }))
	require.Equal(t, 2, c.asked)
	enough := errors.New("enough")
	require.ErrorIs(t, EachPage(t.Context(), c, Search{Size: 3}, func([]Hit) (bool, error) { return true, enough }), enough)
}

func TestEachBucket(t *testing.T) {
	type bucket struct {
		Key struct{ N int }
	}
	for n := range 8 {
		var got []int
		err := EachBucket(t.Context(), &numbers{n: n}, Search{}, 3, []any{Source("n", "field")}, nil, func(b bucket) error {
			got = append(got, b.Key.N)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, got, n)
		for i, v := range got {
			require.Equal(t, i+1, v)
		}
	}
}

func TestBody(t *testing.T) {
	s := Search{Query: All(Term("a", 1), Any(Terms("b", []string{"x"}), Not(Exists("c"))), Millis("t", Object{"gte": 5})), Size: 2,
		Sort: []any{Ascending("a"), Descending("b")}, Source: true, More: Object{"seq_no_primary_term": true}}
	require.JSONEq(t, `{"size":2,"track_total_hits":false,"_source":true,"seq_no_primary_term":true,
		"sort":[{"a":{"order":"asc"}},{"b":{"order":"desc"}}],
		"query":{"bool":{"filter":[{"term":{"a":1}},
			{"bool":{"should":[{"terms":{"b":["x"]}},{"bool":{"must_not":[{"exists":{"field":"c"}}]}}],"minimum_should_match":1}},
			{"range":{"t":{"gte":5,"format":"epoch_millis"}}}]}}}`, string(s.Body()))
	s = Search{Query: All(), Aggs: Object{"v": Values("f", 3, Object{"u": Under(Below("n", "a*.b", true), nil)})}}
	require.JSONEq(t, `{"size":0,"track_total_hits":false,"query":{"match_all":{}},"aggs":{"v":{"terms":{"field":"f","size":3},
		"aggs":{"u":{"filter":{"wildcard":{"n":{"value":"*.a\\*.b","case_insensitive":true}}}}}}}}`, string(s.Body()))
}
