package rank

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
)

// mostLooked bounds the look-ups of answers, a client with a domain each: those with the strongest rhythms.
const mostLooked = 500

// answers looks up the answers to queries with a rhythm, where the source reads queries without them, and lets go of
// the rhythm of those whose addresses the client connects to about as often: the connections are the same finding.
func (s *search) answers(ctx context.Context, p *prober, all []judged, out *material.Ranked) {
	if s.m.Answers || s.m.Session == nil || s.m.Session.Answers == nil {
		return
	}
	var of []*judged
	for i := range all {
		j := &all[i]
		if q := j.asked.queries; j.asked.key != nil && !q.HasAddresses() && q.Domain != hunt.UnsharedDomains && max(j.Beacon, j.Presence) > 0 {
			of = append(of, j)
		}
	}
	if len(of) == 0 {
		return
	}
	slices.SortStableFunc(of, func(a, b *judged) int { return cmp.Compare(max(b.Beacon, b.Presence), max(a.Beacon, a.Presence)) })
	left := max(len(of)-mostLooked, 0)
	of = of[:len(of)-left]
	looked, queries := make([]*asked, len(of)), make([]*pairs.Queries, len(of))
	for i, j := range of {
		looked[i], queries[i] = j.asked, j.asked.queries
	}
	remarks, err := material.LookUpAnswers(ctx, s.m.Session, s.m.LookUp(), queries)
	out.Remarks.Add(remarks)
	if err != nil && ctx.Err() == nil {
		out.Remarks.Gaps = append(out.Remarks.Gaps, hunt.Note{What: "the answers to DNS queries with a rhythm could not be looked up: " + err.Error(),
			Hint: "what is looked up before each connection shows beside the connection"})
	}
	if left > 0 {
		out.Remarks.Notes = append(out.Remarks.Notes, hunt.Note{What: fmt.Sprintf("the answers to queries with a rhythm below %s were not looked up", hunt.Many(left, "domain"))})
	}
	clients, watched := map[netip.Addr]bool{}, map[*asked]bool{}
	for _, a := range looked {
		clients[a.queries.Client], watched[a] = true, true
	}
	s.m.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		if !clients[src] {
			return
		}
		visits := s.dns.visits(src, func(a *asked) bool { return watched[a] })
		var pair pairs.Pair
		for i := range of.Len() {
			if len(visitsTo(visits, of.Dst(i))) > 0 {
				of.Decode(i, &pair)
				n := int64(0)
				for c := range pair.Connections {
					if p.reaches(&pair.Connections[c]) {
						n++
					}
				}
				count(visits, pair.Dst, n)
			}
		}
	})
	s.elsewhere(looked)
	for _, j := range of {
		if a := j.asked; 2*a.visits.Load() >= lookUps(a.queries, a.queries.Times()) {
			a.key, j.Beacon, j.Presence = nil, 0, 0
		}
	}
}
