package elastic

import (
	"context"
	"fmt"
	"slices"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// intelBatch keys go into one search.
const intelBatch = 32

// intel looks up the hits of Zeek's intelligence framework for the domains of DNS keys and the fingerprints of
// roll-ups: indicators that are the domain or below it, whoever was asked, and that are the fingerprint, whoever it was
// shown to. Keys by address and by name were looked up with the other logs.
func (f *facts) intel() {
	if f.book.Records["intel"] == 0 { // as on most grids: nothing to look up
		return
	}
	var of []int
	for i, k := range f.wanted {
		if k.DNS != "" || k.Fingerprint.Value != "" {
			of = append(of, i)
		}
	}
	for batch := range slices.Chunk(of, intelBatch) {
		f.ask(func(ctx context.Context) error { return f.intelOf(ctx, batch) })
	}
}

// indicates matches the intelligence records about a key.
func indicates(k hunt.PairKey) object {
	from := dsl.Term(fieldSource, k.Src)
	if k.DNS == "" {
		return dsl.All(from, anyCase(fieldIndicator, k.Fingerprint.Value))
	}
	return dsl.All(from, dsl.Any(anyCase(fieldIndicator, k.DNS), dsl.Below(fieldIndicator, k.DNS, true)))
}

// anyCase matches documents with a value, in any case.
func anyCase(field, value string) object {
	return dsl.Term(field, object{"value": value, "case_insensitive": true})
}

func (f *facts) intelOf(ctx context.Context, batch []int) error {
	filters, either := object{}, []any{}
	for _, i := range batch {
		filters[fmt.Sprint(i)] = indicates(f.wanted[i])
		either = append(either, filters[fmt.Sprint(i)])
	}
	var a struct {
		Keys struct {
			Buckets map[string]struct {
				Intel terms `json:"intel"`
			} `json:"buckets"`
		} `json:"keys"`
	}
	err := f.search(ctx, "look up Zeek intel hits", []any{only(datasetIntel), dsl.Any(either...)},
		object{"keys": dsl.UnderEach(filters, object{"intel": intelAgg()})}, &a)
	for _, i := range batch {
		f.book.Facts[i].Intel = seenBy(a.Keys.Buckets[fmt.Sprint(i)].Intel)
	}
	return err
}

// seenBy are the indicators in an answer, the most frequent first.
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
