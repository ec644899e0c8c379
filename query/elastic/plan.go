package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
)

// slice is a span of time, [From, To) in Unix milliseconds, that is read at once.
type slice struct {
	From, To int64
	// Expected is its counted number of records, Read the number that came.
	Expected, Read int64
	// tries counts readings that returned nothing and were put off.
	tries int
}

func (s slice) String() string {
	return stamp(s.From) + "/" + stamp(s.To)
}

// stamp writes a time with milliseconds only if it has some.
func stamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z")
}

// bucket is one interval of the count.
type bucket struct {
	Key      int64 `json:"key"`
	DocCount int64 `json:"doc_count"`
}

// The first count is by the minute, or by longer intervals if there would be more than maxIntervals.
const (
	firstInterval = time.Minute
	maxIntervals  = 20_000
	// refineInto is the number of intervals by which a slice is counted to cut it smaller.
	refineInto = 256
)

// plan counts [from, to) and cuts it into slices of about docs records.
func (r *reading) plan(ctx context.Context, from, to int64, docs int64) ([]slice, error) {
	interval := firstInterval
	for time.Duration(to-from)*time.Millisecond/interval > maxIntervals {
		interval *= 5
	}
	for {
		counts, err := r.histogram(ctx, from, to, interval)
		if es.Is(err, es.TooBig) && interval < time.Duration(to-from)*time.Millisecond {
			// for a cluster with a low search.max_buckets: coarser intervals are cut in their turn
			interval *= 8
			continue
		}
		if err != nil {
			return nil, err
		}
		return group(counts, from, to, interval.Milliseconds(), docs), nil
	}
}

// refine cuts a slice into parts of about docs records by counting it in finer intervals. It returns nothing for one
// millisecond, which cannot be cut.
func (r *reading) refine(ctx context.Context, s slice, docs int64) ([]slice, error) {
	for n := int64(refineInto); s.To-s.From > 1; n = 2 {
		interval := max(1, (s.To-s.From+n-1)/n)
		counts, err := r.histogram(ctx, s.From, s.To, time.Duration(interval)*time.Millisecond)
		if es.Is(err, es.TooBig) && n > 2 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return group(counts, s.From, s.To, interval, docs), nil
	}
	return nil, nil
}

// group joins neighboring intervals while they have at most docs records together. An interval with more stands alone,
// with its own bounds, so that finer intervals always make a slice smaller. Between the slices there is nothing.
func group(counts []bucket, from, to, interval, docs int64) []slice {
	var out []slice
	for _, c := range counts {
		a, b := max(c.Key, from), min(c.Key+interval, to)
		if n := len(out); n > 0 && out[n-1].Expected+c.DocCount <= docs {
			out[n-1].To = b
			out[n-1].Expected += c.DocCount
			continue
		}
		out = append(out, slice{From: a, To: b, Expected: c.DocCount})
	}
	return out
}

// histogram counts the records of each interval.
func (r *reading) histogram(ctx context.Context, from, to int64, interval time.Duration) ([]bucket, error) {
	var a struct {
		H struct {
			Buckets []bucket `json:"buckets"`
		} `json:"h"`
	}
	q := r.query.histogram(from, to, interval)
	q.Op = "count " + r.many
	err := r.Search(ctx, q.Request(), func(res es.SearchResult) error {
		r.shards = res.Shards
		if res.Aggregations == nil {
			return nil
		}
		return json.Unmarshal(res.Aggregations, &a)
	})
	return a.H.Buckets, err
}

// count returns the number of documents that match, by another way than the aggregations.
func (r *reading) count(ctx context.Context, query object) (int64, error) {
	var n int64
	q := dsl.Search{Op: "count " + r.many, Query: query, More: object{"track_total_hits": true}, FilterPath: []string{"hits.total"}}
	err := r.Search(ctx, q.Request(), func(res es.SearchResult) error {
		var h struct {
			Total struct {
				Value    int64  `json:"value"`
				Relation string `json:"relation"`
			} `json:"total"`
		}
		if res.Hits == nil {
			return errors.New("no total in the answer")
		}
		if err := json.Unmarshal(res.Hits, &h); err != nil {
			return err
		}
		if h.Total.Relation != "eq" {
			return fmt.Errorf("the total is not exact (%q)", h.Total.Relation)
		}
		n = h.Total.Value
		return nil
	})
	return n, err
}

// Search sends a search to this hunt's indices, to the same shard copies each time.
func (r *reading) Search(ctx context.Context, req es.SearchRequest, decode func(es.SearchResult) error) error {
	req.Index, req.Preference = r.place.now(), "dwell"
	return r.src.client.Search(ctx, req, decode)
}
