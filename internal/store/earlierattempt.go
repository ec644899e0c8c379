package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// pageSize is how many hits are asked for at once; the limit is index.max_result_window, 10,000.
const pageSize = 2000

// before is what an earlier try of a hunt left behind.
type before struct {
	// findings are the ids of this revision's findings, in whichever backing index they lie.
	findings map[string]bool
	// newest is the hunt's newest document, nil for none, with its id; documents is how many there are.
	newest    *hunt.Document
	newestID  string
	documents int
}

// before asks for what is there of a hunt. Ids are unique only within one backing index, so creating a document alone
// would not notice one that lies in an older index.
func (s *Store) before(ctx context.Context, doc *hunt.Document) (before, error) {
	b := before{findings: map[string]bool{}}
	// What was written a moment ago must be seen; where that is not allowed, an id in the newest backing index still
	// keeps a document from being written twice.
	s.refresh(ctx, &Report{})
	err := s.pages(ctx, search{
		op: "look for what was written of hunt " + doc.Dwell.HuntID, index: soconfig.FindingStream,
		filter: []any{term("dwell.hunt_id", doc.Dwell.HuntID), term("dwell.revision", doc.Dwell.Revision)},
		sort:   []any{ascending("event.id")}, source: false,
	}, func(h hit) (bool, error) {
		b.findings[h.ID] = true
		return true, nil
	})
	if err != nil {
		return b, err
	}
	err = s.pages(ctx, search{
		op: "look for the document of hunt " + doc.Dwell.HuntID, index: soconfig.HuntStream,
		filter: []any{term("dwell.hunt_id", doc.Dwell.HuntID)},
		sort:   []any{ascending("event.ingested"), ascending("dwell.revision")}, source: true,
	}, func(h hit) (bool, error) {
		var d hunt.Document
		if err := json.Unmarshal(h.Source, &d); err != nil {
			return false, fmt.Errorf("read document %s of %s: %w", h.ID, soconfig.HuntStream, err)
		}
		b.newest, b.newestID = &d, h.ID
		b.documents++
		return true, nil
	})
	return b, err
}

// hit is one search hit.
type hit struct {
	ID     string          `json:"_id"`
	Index  string          `json:"_index"`
	Source json.RawMessage `json:"_source"`
	Sort   json.RawMessage `json:"sort"`
	// SeqNo and PrimaryTerm name the version of the document, where search.versions asked for them.
	SeqNo       int64 `json:"_seq_no"`
	PrimaryTerm int64 `json:"_primary_term"`
}

// search is a search whose every hit is wanted.
type search struct {
	op, index string
	filter    []any
	// sort must end in a field that differs from document to document, so that a page can begin after the last hit.
	sort []any
	// source is what of each document is wanted: true, false or a list of fields.
	source any
	size   int
	// versions asks for each document's sequence number.
	versions bool
}

// pages runs a search and gives each hit to take, until take says false or errs. It pages by search_after on a total
// order rather than by a point in time: documents are not changed in the fields that we sort by, and what is added
// meanwhile sorts where it belongs. A stream that does not exist has no hits.
func (s *Store) pages(ctx context.Context, q search, take func(hit) (bool, error)) error {
	size := q.size
	if size == 0 {
		size = pageSize
	}
	var after json.RawMessage
	for {
		body := map[string]any{"size": size, "query": filtered(q.filter), "sort": q.sort, "_source": cmp.Or[any](q.source, false), "track_total_hits": false}
		if q.versions {
			body["seq_no_primary_term"] = true
		}
		if after != nil {
			body["search_after"] = after
		}
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode search: %w", err)
		}
		var hits []hit
		err = s.client.Search(ctx, es.SearchRequest{Op: q.op, Index: []string{q.index}, Body: b, MissingOK: true}, func(r es.SearchResult) error {
			var page struct {
				Hits []hit `json:"hits"`
			}
			if r.Hits == nil {
				return nil
			}
			err := json.Unmarshal(r.Hits, &page)
			hits = page.Hits
			return err
		})
		if err != nil {
			return err
		}
		for _, h := range hits {
			if more, err := take(h); err != nil || !more {
				return err
			}
		}
		if len(hits) < size {
			return nil
		}
		after = hits[len(hits)-1].Sort
	}
}

// filtered wraps clauses that all must hold, without scoring.
func filtered(clauses []any) any {
	if len(clauses) == 0 {
		return map[string]any{"match_all": map[string]any{}}
	}
	return map[string]any{"bool": map[string]any{"filter": clauses}}
}

func term(field string, value any) any {
	return map[string]any{"term": map[string]any{field: value}}
}

func ascending(field string) any  { return map[string]any{field: map[string]any{"order": "asc"}} }
func descending(field string) any { return map[string]any{field: map[string]any{"order": "desc"}} }
