package store

import (
	"context"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// before is what an earlier attempt of a hunt stored.
type before struct {
	// findings are the ids of this revision's findings, in any backing index.
	findings map[string]bool
	// newest is the hunt's newest document with its id, or nil; documents is their number.
	newest    *hunt.Document
	newestID  string
	documents int
}

// before reads what is stored of a hunt. Ids are unique only within one backing index, so creating a document does not
// detect one in an older index.
func (s *Store) before(ctx context.Context, doc *hunt.Document) (before, error) {
	b := before{findings: map[string]bool{}}
	// Make what was just written visible. Without permission, the id still prevents a duplicate in the newest backing
	// index.
	s.refresh(ctx, &Report{})
	err := each(ctx, s, dsl.Search{
		Op: "look for what was written of hunt " + doc.Dwell.HuntID, Index: []string{soconfig.FindingStream},
		Query: dsl.All(dsl.Term("dwell.hunt_id", doc.Dwell.HuntID), dsl.Term("dwell.revision", doc.Dwell.Revision)),
		Sort:  []any{dsl.Ascending("event.id")},
	}, func(h hit, _ *struct{}) (bool, error) {
		b.findings[h.ID] = true
		return true, nil
	})
	if err != nil {
		return b, err
	}
	err = each(ctx, s, dsl.Search{
		Op: "look for the document of hunt " + doc.Dwell.HuntID, Index: []string{soconfig.HuntStream},
		Query: dsl.Term("dwell.hunt_id", doc.Dwell.HuntID), Source: true,
		Sort: []any{dsl.Ascending("event.ingested"), dsl.Ascending("dwell.revision")},
	}, func(h hit, d *hunt.Document) (bool, error) {
		b.newest, b.newestID = d, h.ID
		b.documents++
		return true, nil
	})
	return b, err
}
