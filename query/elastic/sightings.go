package elastic

import (
	"context"
	"net/netip"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// sightingDocs is the number of records in a slice of sightings: some hours of a busy day. Each page of a slice costs
// one walk over its records on the server, and there is a page for 65,536 destinations.
const sightingDocs = 2_000_000

// manyDestinations is the number of a host's destinations above which hosts are counted separately: half of what is
// remembered of one (firstseen.SourceShare), so that below it each has less than its share.
const manyDestinations = 50_000

// Sightings is [hunt.Session.Sightings]: one bucket for each destination of a slice, with its first and last time, by
// the same slices, counts and retries as Read's. Names come from zeek.ssl and zeek.http documents. If a host contacts
// more than a share of destinations, hosts are counted separately, which makes more buckets.
func (s *Source) Sightings(ctx context.Context, req hunt.Request, emit func([]hunt.Sighting) error) (hunt.Reading, error) {
	var apart []source
	asked := false
	out, err := s.readConnections(ctx, req, func(w hunt.Window) log {
		q := connQuery(req.Scope)
		q.filter = append(q.filter, dsl.Range(fieldResp, object{"gt": 0})) // what was not answered was not seen
		if !asked {
			apart, asked = s.apart(ctx, w, q, fieldDest), true
		}
		return log{query: seenQuery(q, append(apart, source{"d", fieldDest, false})...), docs: sightingDocs, from: w.Start.UnixMilli(), rows: rowsOf(sighting(), emit)}
	})
	if err != nil {
		return out, err
	}
	req.From, req.To, req.Since = out.Window.Start, out.Window.End, 0
	names, proxied := namesQuery(req.Scope, true), connectQuery(req.Scope, true)
	byName, err := s.readLogs(ctx, req, hunt.Note{What: "there is no zeek.ssl or zeek.http record in the window, so destinations are remembered by address alone"},
		log{many: "TLS and HTTP records", docs: sightingDocs, rows: rowsOf(sighting(), emit),
			query: seenQuery(names, append(s.apart(ctx, out.Window, names, fieldServerName, fieldHost, fieldQUICName),
				source{"h", fieldServerName, true}, source{"v", fieldHost, true}, source{"w", fieldQUICName, true})...)},
		log{many: "requests to proxies", docs: sightingDocs, rows: rowsOf(sighting(), emit),
			query: seenQuery(proxied, append(s.apart(ctx, out.Window, proxied, fieldURI, fieldHost, fieldSOCKSName),
				source{"u", fieldURI, true}, source{"v", fieldHost, true}, source{"m", fieldMethod, true}, source{"n", fieldSOCKSName, true})...)})
	out.Records += byName.Records
	out.Slices, out.Notes, out.Gaps = append(out.Slices, byName.Slices...), append(out.Notes, byName.Notes...), append(out.Gaps, byName.Gaps...)
	return out, err
}

// apart adds the source to the keys of a query's buckets if a source has more than most different values of a field, or
// if that cannot be found out.
func (s *Source) apart(ctx context.Context, w hunt.Window, q query, fields ...string) []source {
	p, err := s.place(ctx)
	if err != nil {
		return nil // reading reports it
	}
	aggs := object{}
	for _, f := range fields {
		aggs[f] = object{"terms": object{"field": fieldSource, "size": 1, "order": object{"most": "desc"}},
			"aggs": object{"most": object{"cardinality": object{"field": f, "precision_threshold": 100}}}}
	}
	var answer map[string]struct {
		Buckets []struct {
			Most struct {
				Value int64 `json:"value"`
			} `json:"most"`
		} `json:"buckets"`
	}
	r := newReading(s, p, log{rows: func() rows { return nil }}, hunt.Request{})
	ask := dsl.Search{Op: "look for hosts with very many destinations", Query: q.in(w.Start.UnixMilli(), w.End.UnixMilli()), Aggs: aggs,
		FilterPath: []string{"aggregations.*.buckets.most.value"}}
	err = ask.Aggregations(ctx, r, &answer)
	much := false
	for _, a := range answer {
		for _, b := range a.Buckets {
			much = much || b.Most.Value > s.many
		}
	}
	if err == nil && !much {
		return nil
	}
	return []source{{"s", fieldSource, true}}
}

// seenQuery has other keys than a query, and the first and last time of each.
func seenQuery(q query, keys ...source) query {
	q.sources, q.times, q.also = keys, true, append(q.also, fieldTime)
	return q
}

// sighting makes a sighting of a bucket. One without a name, or with an address for a name, has an empty Destination.
func sighting() row[hunt.Sighting] {
	return row[hunt.Sighting]{
		key: func(p *cells, g *hunt.Sighting) bool {
			var method, uri, host, raw string
			p.letters(func(letter byte) {
				switch letter {
				case 's':
					g.Source = p.addr(p.scan.Text())
				case 'd':
					g.Destination = p.addr(p.scan.Text()).String()
				case 'v':
					raw = p.text(p.scan.Text())
					host = hunt.HostName(raw)
				case 'h', 'w', 'n':
					host = p.host(p.scan.Text())
				case 'm':
					method = p.text(p.scan.Text())
				case 'u':
					uri = p.text(p.scan.Text())
				default:
					p.scan.Skip()
				}
			})
			if method != "" {
				host, _, _ = hunt.ProxyTarget(method, uri, raw, true)
			}
			if _, err := netip.ParseAddr(host); err != nil && host != "" {
				g.Destination = host
			}
			return true
		},
		count: func(g *hunt.Sighting, n int64) { g.Count = n },
		times: func(g *hunt.Sighting, first, last int64) { g.First, g.Last = first, last },
	}
}
