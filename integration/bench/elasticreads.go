package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es"
	"dwell/internal/es/scan"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// recorder keeps the searches that pass through it.
type recorder struct {
	next http.RoundTripper
	mu   sync.Mutex
	kept []*http.Request
	body [][]byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/_search") && req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(b))
		r.mu.Lock()
		r.kept, r.body = append(r.kept, req.Clone(context.WithoutCancel(req.Context()))), append(r.body, b)
		r.mu.Unlock()
	}
	return r.next.RoundTrip(req)
}

// replay is the null client: it sends the recorded searches with dwell's concurrency and discards the answers.
func (r *recorder) replay(ctx context.Context, concurrency int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, kept := range r.kept {
		g.Go(func() error {
			req := kept.Clone(ctx)
			req.Body = io.NopCloser(bytes.NewReader(r.body[i]))
			res, err := r.next.RoundTrip(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("replay: status %s", res.Status)
			}
			_, err = io.Copy(io.Discard, res.Body)
			return err
		})
	}
	return g.Wait()
}

// rival reads page by page, sequentially, and decodes only where the next page begins, less than any real client does.
// After its time limit it stops, and the rest is extrapolated proportionally.
type rival struct {
	client *es.Client
	index  string
	given  time.Duration
}

// fields are the fields that dwell reads of a connection.
var fields = []string{securityonion.FieldTimestamp, securityonion.FieldSourceIP, securityonion.FieldSourcePort, securityonion.FieldDestinationIP,
	securityonion.FieldDestinationPort, securityonion.FieldTransport, securityonion.FieldProtocol, securityonion.FieldDuration,
	securityonion.FieldClientIPBytes, securityonion.FieldClientBytes, securityonion.FieldServerBytes}

type object = map[string]any

// outbound is dwell's own query: connections from internal to external hosts, in the window.
func outbound() object {
	scope := hunt.NewScope(nil, hunt.Outbound)
	window := object{"gte": day.UnixMilli(), "lt": day.Add(24 * time.Hour).UnixMilli(), "format": "epoch_millis"}
	return object{"bool": object{
		"filter":   []any{object{"range": object{securityonion.FieldTimestamp: window}}, object{"term": object{securityonion.FieldDataset: "zeek.conn"}}, object{"terms": object{securityonion.FieldSourceIP: scope.Internal}}},
		"must_not": []any{object{"terms": object{securityonion.FieldDestinationIP: scope.Internal}}, object{"terms": object{securityonion.FieldDestinationIP: hunt.NeverDestination()}}},
	}}
}

// composite pages through the whole window.
func (r rival) composite(ctx context.Context, size int) (records int, err error) {
	sources := []any{}
	for i, f := range append([]string{securityonion.FieldSourceIP, securityonion.FieldDestinationIP}, fields...) {
		if i >= 2 && (f == securityonion.FieldSourceIP || f == securityonion.FieldDestinationIP) {
			continue
		}
		sources = append(sources, object{f: object{"terms": object{"field": f, "missing_bucket": true}}})
	}
	var after json.RawMessage
	for begun := time.Now(); ; {
		c := object{"size": size, "sources": sources}
		if after != nil {
			c["after"] = after
		}
		n := 0
		after = nil
		err := r.client.Search(ctx, es.SearchRequest{Op: "page", Index: []string{r.index}, Body: encode(object{"size": 0, "track_total_hits": false, "query": outbound(), "aggs": object{"c": object{"composite": c}}}),
			FilterPath: []string{"aggregations.c.after_key", "aggregations.c.buckets"}}, func(res es.SearchResult) error {
			if res.Aggregations == nil {
				return nil
			}
			var s scan.Scanner
			s.Reset(res.Aggregations)
			s.Object()
			s.Key()
			s.Object()
			for k, ok := s.Key(); ok; k, ok = s.Key() {
				if string(k) == "after_key" {
					after = bytes.Clone(s.Raw())
					continue
				}
				s.Array()
				for s.Elem() {
					s.Skip()
					n++
				}
			}
			return s.Err()
		})
		if err != nil {
			return records, err
		}
		records += n
		if n < size || after == nil || time.Since(begun) > r.given {
			return records, nil
		}
	}
}

// pointInTime reads pages of 10,000 hits by search_after.
func (r rival) pointInTime(ctx context.Context) (records int, err error) {
	const size = 10_000
	var pit struct{ ID string }
	open := es.Call{Op: "open a point in time", Request: es.Request{Method: "POST", Path: "/" + r.index + "/_pit?keep_alive=5m"}, Decode: es.JSON(&pit)}
	if err := r.client.Do(ctx, open); err != nil {
		return 0, err
	}
	defer func() {
		// It ends by itself.
		_ = r.client.Do(ctx, es.Call{Op: "close the point in time", Request: es.Request{Method: "DELETE", Path: "/_pit", Body: encode(object{"id": pit.ID})}})
	}()
	var after json.RawMessage
	for begun := time.Now(); ; {
		b := object{"size": size, "track_total_hits": false, "_source": false, "docvalue_fields": fields, "query": outbound(),
			"pit": object{"id": pit.ID, "keep_alive": "5m"}, "sort": []any{object{securityonion.FieldTimestamp: "asc"}, object{"_shard_doc": "asc"}}}
		if after != nil {
			b["search_after"] = after
		}
		n := 0
		err := r.client.Search(ctx, es.SearchRequest{Op: "hits", Body: encode(b), FilterPath: []string{"hits.hits.sort", "hits.hits.fields"}}, func(res es.SearchResult) error {
			if res.Hits == nil { // filter_path omits an empty page entirely
				return nil
			}
			var s scan.Scanner
			s.Reset(res.Hits)
			s.Object()
			for k, ok := s.Key(); ok; k, ok = s.Key() {
				if string(k) != "hits" {
					s.Skip()
					continue
				}
				s.Array()
				for s.Elem() {
					n++
					s.Object()
					for k, ok := s.Key(); ok; k, ok = s.Key() {
						if string(k) == "sort" {
							after = append(after[:0:0], s.Raw()...)
						} else {
							s.Skip()
						}
					}
				}
			}
			return s.Err()
		})
		if err != nil {
			return records, err
		}
		records += n
		if n < size || time.Since(begun) > r.given {
			return records, nil
		}
	}
}

func encode(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic("bench: encode a request: " + err.Error())
	}
	return b
}
