package elastic

import (
	"context"
	"net/netip"

	"dwell/internal/hunt"
)

// sightingDocs is how many records a slice of sightings stands for: some hours of a busy day. Each page of a slice costs one walk over
// its records on the server, and there is a page for 65,536 destinations.
const sightingDocs = 2_000_000

// Sightings is [hunt.Session.Sightings]: one bucket for each destination of a slice, with its first and last time, by the same
// slices, counts and retries as Read's. Names come out of zeek.ssl and zeek.http documents.
func (s *Source) Sightings(ctx context.Context, req hunt.Request, emit func([]hunt.Sighting) error) (hunt.Reading, error) {
	out, err := s.readConnections(ctx, req, func(w hunt.Window) log {
		q := connQuery(req.Scope)
		q.filter = append(q.filter, object{"range": object{fieldResp: object{"gt": 0}}}) // what was not answered was not seen
		return log{query: seenQuery(q, source{"d", fieldDest, false}), docs: sightingDocs, from: w.Start.UnixMilli(), rows: rowsOf(sighting(), emit)}
	})
	if err != nil {
		return out, err
	}
	req.From, req.To, req.Since = out.Window.Start, out.Window.End, 0
	byName, err := s.readLogs(ctx, req, hunt.Note{What: "there is no zeek.ssl or zeek.http record in the window, so destinations are remembered by address alone"},
		log{many: "TLS and HTTP records", docs: sightingDocs, rows: rowsOf(sighting(), emit),
			query: seenQuery(namesQuery(req.Scope, true), source{"h", fieldServerName, true}, source{"v", fieldHost, true}, source{"w", fieldQUICName, true})},
		log{many: "requests to proxies", docs: sightingDocs, rows: rowsOf(sighting(), emit),
			query: seenQuery(connectQuery(req.Scope, true), source{"u", fieldURI, true}, source{"v", fieldHost, true}, source{"m", fieldMethod, true}, source{"n", fieldSOCKSName, true})})
	out.Records += byName.Records
	out.Slices, out.Notes, out.Gaps = append(out.Slices, byName.Slices...), append(out.Notes, byName.Notes...), append(out.Gaps, byName.Gaps...)
	return out, err
}

// seenQuery asks for other keys than a query does, and for the first and last time of each.
func seenQuery(q query, keys ...source) query {
	q.sources, q.times, q.also = keys, true, append(q.also, fieldTime)
	return q
}

// sighting is how a bucket becomes a sighting. One without a name, or with an address for a name, has an empty Destination.
func sighting() row[hunt.Sighting] {
	return row[hunt.Sighting]{
		key: func(p *cells, g *hunt.Sighting) bool {
			var method, uri, host, raw string
			p.letters(func(letter byte) {
				switch letter {
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
		count: func(*hunt.Sighting, int64) {},
		times: func(g *hunt.Sighting, first, last int64) { g.First, g.Last = first, last },
	}
}
