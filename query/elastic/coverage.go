package elastic

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

const (
	// coverageSensors is the number of sensors counted separately: with the 168 hours of a week some 50,000 of the
	// 65,536 buckets of a search.
	coverageSensors = 300
	// lossRecords is the number of capture_loss and stats documents read, newest first: workers write four an hour.
	lossRecords = 10_000
)

// Coverage is [hunt.Session.Coverage]: the hours with zeek.conn documents of each sensor (observer.name), in one
// aggregation, and the raw lines of zeek.capture_loss and zeek.stats, which Security Onion ships only if configured.
func (s *Source) Coverage(ctx context.Context, req hunt.Request) (hunt.Coverage, []hunt.Note, error) {
	var seen hunt.Coverage
	names, _, err := s.indices(ctx)
	if err != nil {
		return seen, nil, err
	}
	from, to := req.From.UnixMilli(), req.To.UnixMilli()
	var notes []hunt.Note
	if seen.Sensors, seen.Logs, err = s.sensorHours(ctx, names, from, to, &notes); err != nil {
		return seen, notes, fmt.Errorf("count each sensor's hours: %w", err)
	}
	if seen.Loss, err = s.losses(ctx, names, from, to, &notes); err != nil {
		return seen, notes, fmt.Errorf("read what Zeek did not see: %w", err)
	}
	return seen, notes, nil
}

// sensorHours counts the hours with connections of each sensor, and those with records of the logs besides conn.
func (s *Source) sensorHours(ctx context.Context, names []string, from, to int64, notes *[]hunt.Note) (out []hunt.SensorHours, logs []hunt.LogHours, err error) {
	hour := time.Hour.Milliseconds()
	interval := hour
	if (to-from)/hour > 168 { // a longer window would exceed a search's buckets
		interval = 24 * hour
	}
	beside := []string{datasetTLS, datasetHTTP, datasetDNS}
	hours := object{"date_histogram": object{"field": fieldTime, "fixed_interval": fmt.Sprintf("%dms", interval), "offset": fmt.Sprintf("%dms", from%interval), "min_doc_count": 1}}
	sensors := object{"terms": object{"field": securityonion.FieldObserver, "size": coverageSensors, "missing": ""}, "aggs": object{"hours": hours}}
	q := dsl.Search{Op: "count the hours of each sensor", Index: names, FilterPath: []string{"aggregations"},
		Query: dsl.All(between(from, to), dsl.Terms(fieldDataset, append(beside, datasetConn))),
		Aggs: object{"conn": dsl.Under(only(datasetConn), object{"sensors": sensors}),
			"beside": dsl.Under(dsl.Terms(fieldDataset, beside), object{
				"logs": dsl.Values(fieldDataset, len(beside), object{"hours": hours, "first": dsl.Min(fieldTime), "last": dsl.Max(fieldTime)})})}}
	type counted struct {
		Others  int64 `json:"sum_other_doc_count"`
		Buckets []struct {
			Key   string `json:"key"`
			Hours struct {
				Buckets []struct{} `json:"buckets"`
			} `json:"hours"`
			First, Last struct{ Value float64 }
		} `json:"buckets"`
	}
	var a struct {
		Conn   struct{ Sensors counted }
		Beside struct{ Logs counted }
	}
	err = q.Aggregations(ctx, s.client, &a)
	for _, b := range a.Conn.Sensors.Buckets {
		out = append(out, hunt.SensorHours{Name: b.Key, Hours: int64(len(b.Hours.Buckets)) * interval / hour})
	}
	for _, b := range a.Beside.Logs.Buckets {
		logs = append(logs, hunt.LogHours{Log: strings.TrimPrefix(b.Key, "zeek."), Hours: int64(len(b.Hours.Buckets)) * interval / hour, First: int64(b.First.Value), Last: int64(b.Last.Value)})
	}
	if a.Conn.Sensors.Others > 0 {
		*notes = append(*notes, hunt.Note{What: fmt.Sprintf("more than %d sensors have connections; the hours of the smallest are not counted", coverageSensors)})
	}
	slices.SortFunc(out, func(a, b hunt.SensorHours) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(logs, func(a, b hunt.LogHours) int { return cmp.Compare(a.Log, b.Log) })
	if (to-from)%interval != 0 { // the last interval is shorter
		for i := range out {
			out[i].Hours = min(out[i].Hours, (to-from+hour-1)/hour)
		}
	}
	return out, logs, err
}

// losses sums up what each Zeek process reports. Without an ingest pipeline of their own such documents have Zeek's
// line as message.
func (s *Source) losses(ctx context.Context, names []string, from, to int64, notes *[]hunt.Note) (out []hunt.PeerLoss, err error) {
	q := dsl.Search{Op: "look for capture_loss and stats", Index: names, FilterPath: []string{"hits"},
		Query: dsl.All(between(from, to), dsl.Terms(fieldDataset, []string{securityonion.Dataset("capture_loss"), securityonion.Dataset("stats")})),
		Size:  lossRecords, Sort: []any{dsl.Descending(fieldTime)}, Source: []string{securityonion.FieldMessage, securityonion.FieldObserver},
		More: object{"track_total_hits": lossRecords + 1}}
	var h struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []struct {
			Source struct {
				Message  string `json:"message"`
				Observer struct {
					Name string `json:"name"`
				} `json:"observer"`
			} `json:"_source"`
		} `json:"hits"`
	}
	err = s.client.Search(ctx, q.Request(), func(r es.SearchResult) error {
		if r.Hits == nil {
			return nil
		}
		return json.Unmarshal(r.Hits, &h)
	})
	if h.Total.Value > lossRecords {
		*notes = append(*notes, hunt.Note{What: fmt.Sprintf("the figures on packet loss rest on the newest %d records of capture_loss and stats", lossRecords)})
	}
	peers, unreadable := map[[2]string]*hunt.PeerLoss{}, int64(0)
	for _, hit := range h.Hits {
		var line struct {
			Peer    string `json:"peer"`
			Gaps    int64  `json:"gaps"`
			Acks    int64  `json:"acks"`
			Dropped int64  `json:"pkts_dropped"`
			Link    int64  `json:"pkts_link"`
		}
		if json.Unmarshal([]byte(hit.Source.Message), &line) != nil {
			unreadable++
			continue
		}
		k := [2]string{hit.Source.Observer.Name, line.Peer}
		p := peers[k]
		if p == nil {
			p = &hunt.PeerLoss{Sensor: k[0], Peer: k[1]}
			peers[k] = p
		}
		p.Gaps, p.Acks = p.Gaps+line.Gaps, p.Acks+line.Acks
		p.Dropped, p.Packets = p.Dropped+line.Dropped, p.Packets+line.Link
	}
	if unreadable > 0 {
		*notes = append(*notes, hunt.Note{What: fmt.Sprintf("%d records of capture_loss and stats do not carry Zeek's line as JSON in message, and were not counted", unreadable)})
	}
	for _, p := range peers {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b hunt.PeerLoss) int {
		return cmp.Or(cmp.Compare(a.Sensor, b.Sensor), cmp.Compare(a.Peer, b.Peer))
	})
	return out, err
}
