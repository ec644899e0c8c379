package elastic

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

const (
	// answersBatch clients' domains go into one search, with answersTop different answers each: 32,000 buckets, half of
	// what a search may have. Each search compares all names with its domains.
	answersBatch, answersTop = 64, 500
	maxAnswerAddresses       = 64
)

// Answers is [hunt.Session.Answers] by terms of dns.answers.name. The length is exact up to 500 different answers a
// domain and shard; further ones count with the mean length.
func (s *Source) Answers(ctx context.Context, req hunt.Request, wanted []hunt.Answers) error {
	if len(wanted) == 0 {
		return nil
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	// A domain is expensive to look for, since the server compares all names with it. So all clients of one domain are
	// looked up together.
	of := make([]*hunt.Answers, len(wanted))
	for i := range wanted {
		of[i] = &wanted[i]
	}
	slices.SortStableFunc(of, func(a, b *hunt.Answers) int { return strings.Compare(a.Domain, b.Domain) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opt.Concurrency)
	for batch := range slices.Chunk(of, answersBatch) {
		g.Go(func() error {
			if err := s.answers(ctx, names, req, batch); err != nil {
				return fmt.Errorf("look up the answers of %d domains: %w", len(batch), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// answers looks up a batch, sorted by domain.
func (s *Source) answers(ctx context.Context, names []string, req hunt.Request, wanted []*hunt.Answers) error {
	var filters []object
	at := map[string]int{} // the place of a domain's filter
	for i := 0; i < len(wanted); {
		domain := wanted[i].Domain
		var clients []netip.Addr
		for ; i < len(wanted) && wanted[i].Domain == domain; i++ {
			clients = append(clients, wanted[i].Client)
		}
		at[domain] = len(filters)
		filters = append(filters, dsl.All(dsl.Terms(fieldSource, clients),
			dsl.Below(securityonion.FieldQuery, domain, true)))
	}
	q := dsl.Search{Op: "look up DNS answers", Index: names, Query: dsl.All(during(req), only(datasetDNS)),
		Aggs: object{"domains": dsl.UnderEach(filters, object{
			"clients": dsl.Values(fieldSource, len(wanted), object{"answers": dsl.Values(securityonion.FieldAnswers, answersTop, nil)})})}}
	type answer struct {
		Key   string `json:"key"`
		Count int64  `json:"doc_count"`
	}
	type client struct {
		Key     netip.Addr `json:"key"`
		Answers struct {
			Others  int64    `json:"sum_other_doc_count"`
			Buckets []answer `json:"buckets"`
		} `json:"answers"`
	}
	var a struct {
		Domains struct {
			Buckets []struct {
				Clients struct {
					Buckets []client `json:"buckets"`
				} `json:"clients"`
			} `json:"buckets"`
		} `json:"domains"`
	}
	if err := q.Aggregations(ctx, s.client, &a); err != nil || len(a.Domains.Buckets) == 0 {
		return err
	}
	if len(a.Domains.Buckets) != len(filters) {
		return fmt.Errorf("asked for %d domains, answered for %d", len(filters), len(a.Domains.Buckets))
	}
	for _, w := range wanted {
		of := a.Domains.Buckets[at[w.Domain]].Clients.Buckets
		i := slices.IndexFunc(of, func(c client) bool { return c.Key.Unmap() == w.Client.Unmap() })
		if i < 0 {
			continue
		}
		var count int64
		for _, b := range of[i].Answers.Buckets {
			w.Bytes += b.Count * int64(len(b.Key))
			count += b.Count
			if addr, err := netip.ParseAddr(b.Key); err == nil && len(w.Addresses) < maxAnswerAddresses {
				w.Addresses = append(w.Addresses, addr.Unmap())
			}
		}
		if count > 0 {
			w.Bytes += int64(math.Round(float64(w.Bytes) / float64(count) * float64(of[i].Answers.Others)))
		}
	}
	return nil
}
