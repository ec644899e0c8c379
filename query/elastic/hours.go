package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// maxLate is the number of hours for which one search looks for late arrivals: each is a clause of the query.
const maxLate = 200

// Hours is [hunt.Session.Hours]: by hour, the number of documents of the logs that a hunt reads, in scope or not, their
// newest event.ingested, and for known hours the number that arrived since. Two searches, however large the window.
func (s *Source) Hours(ctx context.Context, req hunt.Request, seen map[int64]hunt.HourState) (hunt.Window, map[int64]hunt.Hour, hunt.Remarks, error) {
	now, notes, err := s.clock(ctx)
	if err != nil {
		return hunt.Window{}, nil, hunt.Remarks{}, err
	}
	window, err := req.WindowAt(now)
	if err != nil {
		return window, nil, hunt.Remarks{}, err
	}
	names, more, err := s.indices(ctx)
	remarks := hunt.Remarks{Notes: append(notes, more...)}
	if err != nil {
		return window, nil, remarks, err
	}
	hour := time.Hour.Milliseconds()
	from, to := window.ReadFrom().UnixMilli(), window.End.UnixMilli()
	out := map[int64]hunt.Hour{}
	for at := (from + hour - 1) / hour * hour; at+hour <= to; at += hour {
		out[at] = hunt.Hour{}
	}
	if len(out) == 0 {
		return window, out, remarks, nil
	}
	logs := dsl.Terms(fieldDataset, []string{datasetConn, datasetTLS, datasetHTTP, datasetDNS})
	first, last := slices.Min(slices.Collect(maps.Keys(out))), slices.Max(slices.Collect(maps.Keys(out)))
	// A search may have 65,536 buckets: seven years of hours.
	err = s.hourly(ctx, names, dsl.All(between(first, last+hour), logs), func(at, n, arrived int64) {
		if h, ok := out[at]; ok {
			h.Records, h.Arrived = n, arrived
			out[at] = h
		}
	})
	if err != nil {
		return window, nil, remarks, fmt.Errorf("count the documents of each hour: %w", err)
	}
	later := map[int64]int64{}
	for at, h := range out {
		if was, ok := seen[at]; ok && was.Arrived > 0 && was != h.HourState {
			later[at] = was.Arrived
		}
	}
	for hours := range slices.Chunk(slices.Sorted(maps.Keys(later)), maxLate) {
		part := map[int64]int64{}
		for _, at := range hours {
			part[at] = later[at]
		}
		err := s.hourly(ctx, names, dsl.All(arrivedAfter(part), logs), func(at, n, _ int64) {
			if h, ok := out[at]; ok {
				h.Later = n
				out[at] = h
			}
		})
		if err != nil {
			return window, nil, remarks, fmt.Errorf("count what arrived late: %w", err)
		}
	}
	return window, out, remarks, nil
}

// arrivedAfter matches the documents of some hours that arrived after a moment each.
func arrivedAfter(later map[int64]int64) object {
	either := make([]any, 0, len(later))
	for _, at := range slices.Sorted(maps.Keys(later)) {
		either = append(either, dsl.All(between(at, at+time.Hour.Milliseconds()),
			dsl.Millis(securityonion.FieldIngested, object{"gt": later[at]})))
	}
	return dsl.Any(either...)
}

// hourly counts the documents of a query by hour, with the newest arrival (Unix milliseconds, 0 where no document has
// one).
func (s *Source) hourly(ctx context.Context, names []string, query object, take func(at, n, arrived int64)) error {
	q := dsl.Search{Op: "count the documents of each hour", Index: names, Query: query, FilterPath: []string{"aggregations"},
		Aggs: object{"hours": dsl.Histogram(fieldTime, fixed(time.Hour), object{"arrived": dsl.Max(securityonion.FieldIngested)})}}
	var a struct {
		Hours struct {
			Buckets []struct {
				Key     int64 `json:"key"`
				Docs    int64 `json:"doc_count"`
				Arrived struct {
					Value json.Number `json:"value"`
				} `json:"arrived"`
			} `json:"buckets"`
		} `json:"hours"`
	}
	if err := q.Aggregations(ctx, s.client, &a); err != nil {
		return err
	}
	for _, b := range a.Hours.Buckets {
		arrived, _ := strconv.ParseFloat(b.Arrived.Value.String(), 64) // null if no document has an arrival time
		take(b.Key, b.Docs, int64(arrived))
	}
	return nil
}
