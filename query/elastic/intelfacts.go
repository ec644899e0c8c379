package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// toldBatch is how many keys one search is about.
const toldBatch = 32

// told looks up what Zeek's intelligence framework saw of the domains of DNS keys and of the fingerprints of roll-ups: indicators that are
// the domain or lie below it, whoever was asked, and that are the fingerprint, whoever it was shown to. Keys by address and by name were
// looked up with the other logs.
func (f *facts) told() {
	if f.book.Records["intel"] == 0 { // as most grids have it: then there is nothing to ask
		return
	}
	var of []int
	for i, k := range f.wanted {
		if k.DNS != "" || k.Fingerprint.Value != "" {
			of = append(of, i)
		}
	}
	for batch := range slices.Chunk(of, toldBatch) {
		f.ask(func(ctx context.Context) error { return f.toldOf(ctx, batch) })
	}
}

// indicates matches the intelligence records that speak of a key.
func indicates(k hunt.PairKey) object {
	from := object{"term": object{fieldSource: k.Src}}
	whole := func(kind, value string) object {
		return object{kind: object{fieldIndicator: object{"value": value, "case_insensitive": true}}}
	}
	if k.DNS == "" {
		return object{"bool": object{"filter": []any{from, whole("term", k.Fingerprint.Value)}}}
	}
	return object{"bool": object{"filter": from, "minimum_should_match": 1, "should": []any{whole("term", k.DNS), whole("wildcard", "*."+k.DNS)}}}
}

func (f *facts) toldOf(ctx context.Context, batch []int) error {
	filters, either := object{}, []any{}
	for _, i := range batch {
		filters[fmt.Sprint(i)] = indicates(f.wanted[i])
		either = append(either, filters[fmt.Sprint(i)])
	}
	indicators := object{"terms": object{"field": fieldIndicator, "size": hunt.FactsTop}, "aggs": object{
		"sub": object{"terms": object{"field": fieldIntelType, "size": 1}}, "other": object{"terms": object{"field": fieldIntelLists, "size": hunt.FactsTop}}}}
	body := body(object{"size": 0, "track_total_hits": false,
		"query": object{"bool": object{"filter": []any{between(f.req.From.UnixMilli(), f.req.To.UnixMilli()), object{"term": object{fieldDataset: datasetIntel}}},
			"should": either, "minimum_should_match": 1}},
		"aggs": object{"keys": object{"filters": object{"filters": filters}, "aggs": object{"intel": indicators}}}})
	return f.source.client.Search(ctx, es.SearchRequest{Op: "look up Zeek intel hits", Index: f.index, Body: body, MissingOK: true}, func(r es.SearchResult) error {
		if r.Aggregations == nil {
			return nil
		}
		var answer struct {
			Keys struct {
				Buckets map[string]struct {
					Intel terms `json:"intel"`
				} `json:"buckets"`
			} `json:"keys"`
		}
		if err := json.Unmarshal(r.Aggregations, &answer); err != nil {
			return err
		}
		for _, i := range batch {
			f.book.Facts[i].Intel = seenBy(answer.Keys.Buckets[fmt.Sprint(i)].Intel)
		}
		return nil
	})
}

// seenBy are the indicators of an answer, the most frequent first.
func seenBy(t terms) []hunt.IntelSeen {
	var seen []hunt.IntelSeen
	for _, n := range t.Buckets {
		x := hunt.IntelSeen{Indicator: n.Key, Sources: n.Other.counted(), Count: n.Count}
		if len(n.Sub.Buckets) > 0 {
			x.Type = n.Sub.Buckets[0].Key
		}
		seen = append(seen, x)
	}
	return hunt.TopIntel(seen)
}
