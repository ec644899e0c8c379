package elastic

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// geography is what Security Onion's ingest pipelines add about one side of a connection (docs/facts/security-onion.md,
// 1.2): the country in the ECS field, the rest in an object beside it.
type geography struct {
	IP  string `json:"ip"`
	Geo struct {
		Country string `json:"country_iso_code"`
	} `json:"geo"`
}

type system struct {
	Number       int64  `json:"asn"`
	Organization string `json:"organization_name"`
}

// Owners is [hunt.Session.Owners]: one search for valuesBatch addresses. It looks at destinations, and unless the hunt
// is outbound also at the sources of incoming connections.
func (s *Source) Owners(ctx context.Context, req hunt.Request, addrs []netip.Addr) (map[netip.Addr]hunt.Owner, error) {
	out := map[netip.Addr]hunt.Owner{}
	if len(addrs) == 0 {
		return out, nil
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return nil, err
	}
	f := &facts{source: s, index: names, req: req}
	sides := []string{"destination"}
	if req.Scope.Direction != hunt.Outbound {
		sides = append(sides, "source")
	}
	err = f.together(ctx, []func(){func() {
		for _, side := range sides {
			for batch := range slices.Chunk(addrs, valuesBatch) {
				f.ask(func(ctx context.Context) error { return f.owners(ctx, side, batch, out) })
			}
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("look up who holds %d addresses: %w", len(addrs), err)
	}
	return out, nil
}

// owners reads one record of each address: all have the same, until the cluster's databases are replaced.
func (f *facts) owners(ctx context.Context, side string, addrs []netip.Addr, out map[netip.Addr]hunt.Owner) error {
	number, country := side+"_geo.asn", side+".geo.country_iso_code"
	known := []any{dsl.Exists(number), dsl.Exists(country)}
	var a struct {
		Addresses struct {
			Buckets []struct {
				One struct {
					Hits struct {
						Hits []struct {
							Source struct {
								Destination    geography `json:"destination"`
								Source         geography `json:"source"`
								DestinationGeo system    `json:"destination_geo"`
								SourceGeo      system    `json:"source_geo"`
							} `json:"_source"`
						} `json:"hits"`
					} `json:"hits"`
				} `json:"one"`
			} `json:"buckets"`
		} `json:"addresses"`
	}
	err := f.search(ctx, "look up who holds addresses", []any{only(datasetConn), dsl.Terms(side+".ip", addrs),
		dsl.Any(known...)},
		object{"addresses": dsl.Values(side+".ip", len(addrs), object{"one": object{"top_hits": object{"size": 1, "_source": []string{side + ".ip", country, side + "_geo"}}}})}, &a)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range a.Addresses.Buckets {
		for _, h := range b.One.Hits.Hits {
			at, by := h.Source.Destination, h.Source.DestinationGeo
			if side == "source" {
				at, by = h.Source.Source, h.Source.SourceGeo
			}
			if addr, err := netip.ParseAddr(at.IP); err == nil {
				out[addr.Unmap()] = hunt.Owner{ASN: by.Number, Organization: by.Organization, Country: at.Geo.Country}
			}
		}
	}
	return nil
}
