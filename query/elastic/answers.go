package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

var _ hunt.AnswerSource = (*Source)(nil)

const (
	// answersBatch domains go into one search, with answersTop different answers each: 8,000 buckets, an eighth of
	// what a search may have.
	answersBatch, answersTop = 16, 500
	maxAnswerAddresses       = 64
)

// Answers implements [hunt.AnswerSource] by terms of dns.answers.name. The length is exact up to 500 different answers
// a domain and shard; beyond, the others are taken to be as long in the mean.
func (s *Source) Answers(ctx context.Context, req hunt.Request, wanted []hunt.Answers) error {
	if len(wanted) == 0 {
		return nil
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(wanted, answersBatch) {
		if err := s.answers(ctx, names, req, batch); err != nil {
			return fmt.Errorf("look up the answers of %d domains: %w", len(batch), err)
		}
	}
	return nil
}

func (s *Source) answers(ctx context.Context, names []string, req hunt.Request, wanted []hunt.Answers) error {
	filters := object{}
	for i, w := range wanted {
		filters[strconv.Itoa(i)] = object{"bool": object{"filter": []any{
			object{"term": object{fieldSource: w.Client}},
			object{"wildcard": object{securityonion.FieldQuery: object{"value": "*." + literal(w.Domain), "case_insensitive": true}}},
		}}}
	}
	body, err := json.Marshal(object{"size": 0, "track_total_hits": false,
		"query": object{"bool": object{"filter": []any{between(req.From.UnixMilli(), req.To.UnixMilli()), object{"term": object{fieldDataset: securityonion.Dataset("dns")}}}}},
		"aggs": object{"domains": object{"filters": object{"filters": filters},
			"aggs": object{"answers": object{"terms": object{"field": securityonion.FieldAnswers, "size": answersTop}}}}},
	})
	if err != nil {
		return err
	}
	return s.client.Search(ctx, es.SearchRequest{Op: "look up DNS answers", Index: names, Body: body, MissingOK: true}, func(r es.SearchResult) error {
		if r.Aggregations == nil {
			return nil
		}
		var a struct {
			Domains struct {
				Buckets map[string]struct {
					Answers struct {
						Others  int64 `json:"sum_other_doc_count"`
						Buckets []struct {
							Key   string `json:"key"`
							Count int64  `json:"doc_count"`
						} `json:"buckets"`
					} `json:"answers"`
				} `json:"buckets"`
			} `json:"domains"`
		}
		if err := json.Unmarshal(r.Aggregations, &a); err != nil {
			return err
		}
		for i := range wanted {
			w, in := &wanted[i], a.Domains.Buckets[strconv.Itoa(i)].Answers
			var count int64
			for _, b := range in.Buckets {
				w.Bytes += b.Count * int64(len(b.Key))
				count += b.Count
				if addr, err := netip.ParseAddr(b.Key); err == nil && len(w.Addresses) < maxAnswerAddresses {
					w.Addresses = append(w.Addresses, addr.Unmap())
				}
			}
			if count > 0 {
				w.Bytes += w.Bytes / count * in.Others
			}
		}
		return nil
	})
}

// literal takes the meaning away from what a wildcard query knows.
func literal(s string) string { return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s) }
