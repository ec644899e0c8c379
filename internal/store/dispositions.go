package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
	"dwell/so-config"
)

// Decision is an analyst's decision about a finding.
type Decision struct {
	// FindingID is the finding, Disposition one of open, benign, escalated.
	FindingID, Disposition string
	// Who decided, and why.
	Who, Note string
	// Assignee is who handles it, or empty.
	Assignee string
	// At is the time of the decision.
	At time.Time
}

// ErrNoFinding means that no document of a finding was ever stored.
var ErrNoFinding = errors.New("no such finding was ever written")

// maxConflicts is how often documents changed meanwhile are read and updated again.
const maxConflicts = 5

// Decide records a decision about a finding and sets it on every document and alert of it, whose number it returns. The
// record comes first, because later hunts read it. The documents get a partial update of dwell.disposition only, each
// with its sequence number, so that Security Onion's concurrent changes survive. Deciding again is safe.
func (s *Store) Decide(ctx context.Context, d Decision) (int, error) {
	if !slices.Contains([]string{hunt.Open, hunt.Benign, hunt.Escalated}, d.Disposition) {
		return 0, fmt.Errorf("disposition %q is not one of open, benign, escalated", d.Disposition)
	}
	if d.Who == "" {
		return 0, errors.New("a decision needs a name: who decides?")
	}
	if err := s.Ready(ctx, soconfig.DispositionStream); err != nil {
		return 0, err
	}
	list, err := s.Findings(ctx, Filter{FindingID: d.FindingID})
	if err != nil {
		return 0, err
	}
	if len(list.Findings) == 0 {
		return 0, fmt.Errorf("record the disposition of finding %s: %w", d.FindingID, ErrNoFinding)
	}
	if err := s.record(ctx, &d, &list.Findings[0]); err != nil {
		return 0, err
	}
	changed := 0
	for _, stream := range []string{soconfig.FindingStream, soconfig.AlertStream} {
		n, err := s.mark(ctx, stream, &d)
		changed += n
		if err != nil {
			return changed, fmt.Errorf("the disposition is recorded, but not all documents of the finding show it: run triage again: %w", err)
		}
	}
	return changed, nil
}

// record appends the decision.
func (s *Store) record(ctx context.Context, d *Decision, f *hunt.Finding) error {
	id := hunt.Digest("disposition", d.FindingID, d.Disposition, d.Who, d.Note, strconv.FormatInt(d.At.UnixMilli(), 10))
	doc, err := json.Marshal(hunt.Disposition{
		Timestamp: hunt.Time{Time: d.At},
		Schema:    hunt.SchemaOf(hunt.DatasetDisposition),
		Event:     hunt.DispositionEvent{ID: id, Kind: "event", Category: []string{"configuration"}, Type: []string{"change"}, Module: hunt.Module, Dataset: hunt.DatasetDisposition},
		User:      hunt.User{Name: d.Who}, Source: f.Source, Destination: f.Destination,
		Dwell: hunt.DispositionFinding{FindingID: d.FindingID, Pair: f.Dwell.Pair, EventID: f.Event.ID, Disposition: d.Disposition,
			Note: d.Note, Assignee: d.Assignee, SchemaVersion: hunt.SchemaVersion},
	})
	if err != nil {
		return fmt.Errorf("encode the decision: %w", err)
	}
	result, err := s.writer(soconfig.DispositionStream).Write(ctx, []bulk.Item{{ID: id, Doc: doc}})
	if err == nil && len(result.Dead) > 0 {
		err = result.Dead[0].Err
	}
	if err != nil {
		return fmt.Errorf("record the decision: %w", err)
	}
	return s.client.Do(ctx, es.Call{Op: "refresh", Index: soconfig.DispositionStream, Request: es.Request{Method: "POST", Path: "/" + soconfig.DispositionStream + "/_refresh"}})
}

// mark sets the decision on the documents of one stream that lack it, and returns their number.
func (s *Store) mark(ctx context.Context, stream string, d *Decision) (int, error) {
	assignee := any(d.Assignee)
	bears := []any{dsl.Term("dwell.disposition", d.Disposition), dsl.Term("dwell.assignee", d.Assignee)}
	if d.Assignee == "" {
		assignee, bears[1] = nil, dsl.Not(dsl.Exists("dwell.assignee")) // null removes the field
	}
	doc := map[string]any{"dwell": map[string]any{"disposition": d.Disposition, "assignee": assignee}}
	q := dsl.Search{Op: "look for the documents of finding " + d.FindingID, Query: dsl.All(dsl.Term("dwell.finding_id", d.FindingID), dsl.Not(dsl.All(bears...)))}
	return revise(ctx, s, stream, q, func(*struct{}) any { return doc })
}

// revise refreshes a stream, sends the partial update that change returns for each document of a search (nil for none),
// and returns the number of documents changed. A document that changed meanwhile is read and updated again.
func revise[D any](ctx context.Context, s *Store, stream string, q dsl.Search, change func(*D) any) (changed int, err error) {
	q.Index, q.More, q.Sort = []string{stream}, versioned(), []any{dsl.Ascending("event.id")}
	for range maxConflicts {
		err := s.client.Do(ctx, es.Call{Op: "refresh", Index: stream, Request: es.Request{Method: "POST", Path: "/" + stream + "/_refresh"}})
		if es.Is(err, es.NotFound) {
			return changed, nil
		}
		if err != nil {
			return changed, err
		}
		var hits []hit
		var docs []any
		err = each(ctx, s, q, func(h hit, d *D) (bool, error) {
			if doc := change(d); doc != nil {
				h.Source = nil
				hits, docs = append(hits, h), append(docs, doc)
			}
			return true, nil
		})
		if err != nil || len(hits) == 0 {
			return changed, err
		}
		for from := 0; from < len(hits); from += bulk.DefaultMaxDocs {
			to := min(from+bulk.DefaultMaxDocs, len(hits))
			n, err := s.update(ctx, hits[from:to], docs[from:to])
			changed += n
			if err != nil {
				return changed, err
			}
		}
	}
	return changed, fmt.Errorf("update the documents of %s: they kept changing meanwhile; try again", stream)
}

// update sends a partial update per document and returns how many succeeded; documents changed meanwhile are left for
// the next round.
func (s *Store) update(ctx context.Context, hits []hit, docs []any) (int, error) {
	var body bytes.Buffer
	for i, h := range hits {
		for _, line := range []any{
			map[string]any{"update": map[string]any{"_index": h.Index, "_id": h.ID, "if_seq_no": h.SeqNo, "if_primary_term": h.PrimaryTerm}},
			map[string]any{"doc": docs[i]},
		} {
			b, err := json.Marshal(line)
			if err != nil {
				return 0, fmt.Errorf("encode an update: %w", err)
			}
			body.Write(append(b, '\n'))
		}
	}
	var answer struct {
		Items []struct {
			Update struct {
				Status int       `json:"status"`
				Error  *es.Cause `json:"error"`
			} `json:"update"`
		} `json:"items"`
	}
	err := s.client.Do(ctx, es.Call{Op: "update what was stored", Decode: es.JSON(&answer), Request: esapi.BulkRequest{Body: bytes.NewReader(body.Bytes())}})
	if err != nil {
		return 0, err
	}
	if len(answer.Items) != len(hits) {
		return 0, fmt.Errorf("update what was stored: %d documents were sent but the answer covers %d", len(hits), len(answer.Items))
	}
	done := 0
	for i, item := range answer.Items {
		u := item.Update
		switch {
		case u.Status >= 200 && u.Status < 300:
			done++
		case u.Status == 409:
		default:
			var cause es.Cause
			if u.Error != nil {
				cause = *u.Error
			}
			return done, es.Classify("update document "+hits[i].ID, hits[i].Index, u.Status, cause)
		}
	}
	return done, nil
}

func newestDecision() []any {
	return []any{dsl.Descending("@timestamp"), dsl.Descending("dwell.disposition")}
}

// Dispositions returns the newest decision of each of the findings that has one.
func (s *Store) Dispositions(ctx context.Context, stories []string) (map[string]hunt.Disposition, error) {
	out := map[string]hunt.Disposition{}
	for some := range slices.Chunk(stories, findingsPerPage) {
		err := latest(ctx, s, soconfig.DispositionStream, dsl.Terms("dwell.finding_id", some), newestDecision(), func(_ hit, d *hunt.Disposition) error {
			out[d.Dwell.FindingID] = *d
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for dispositions: %w", err)
		}
	}
	return out, nil
}

// AllDispositions returns the newest decision of each finding that has one, newest first.
func (s *Store) AllDispositions(ctx context.Context) ([]hunt.Disposition, error) {
	var out []hunt.Disposition
	err := latest(ctx, s, soconfig.DispositionStream, dsl.All(), newestDecision(), func(_ hit, d *hunt.Disposition) error {
		out = append(out, *d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list dispositions: %w", err)
	}
	slices.SortFunc(out, func(a, b hunt.Disposition) int {
		return cmp.Or(b.Timestamp.Compare(a.Timestamp.Time), strings.Compare(a.Dwell.FindingID, b.Dwell.FindingID))
	})
	return out, nil
}

// decided returns copies of the findings with their current dispositions.
func (s *Store) decided(ctx context.Context, findings []hunt.Finding) ([]hunt.Finding, error) {
	var stories []string
	for i := range findings {
		if findings[i].Dwell.Severity != "" {
			stories = append(stories, findings[i].Dwell.FindingID)
		}
	}
	decisions, err := s.Dispositions(ctx, stories)
	if err != nil || len(decisions) == 0 {
		return findings, err
	}
	out := slices.Clone(findings)
	for i := range out {
		if d, ok := decisions[out[i].Dwell.FindingID]; ok {
			out[i].Dwell.Disposition, out[i].Dwell.Assignee = d.Dwell.Disposition, d.Dwell.Assignee
		}
	}
	return out, nil
}
