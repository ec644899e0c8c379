package elastic

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

const (
	// rawPage is the number of records of one search, the default maximum of an index.
	rawPage = 10_000
	// rawDestinations is the number of destinations that one search names.
	rawDestinations = 1000
)

// UIDs is [hunt.Session.UIDs]: it reads the connection records of one source to some destinations one by one, with the
// uid that pages of buckets leave out.
func (s *Source) UIDs(ctx context.Context, req hunt.Request, src netip.Addr, to []netip.Addr, emit func([]hunt.Connection) error) error {
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(to, rawDestinations) {
		filter := []any{only(datasetConn), during(req), dsl.Term(fieldSource, src), dsl.Terms(fieldDest, batch)}
		if err := s.uids(ctx, names, filter, emit); err != nil {
			return fmt.Errorf("read the connections of %s: %w", src, err)
		}
	}
	return nil
}

func (s *Source) uids(ctx context.Context, names []string, filter []any, emit func([]hunt.Connection) error) error {
	type hit struct {
		dsl.Hit
		Fields sampleFields `json:"fields"`
	}
	q := dsl.Search{Op: "read connections", Index: names, Query: dsl.All(filter...), Size: rawPage, Sort: []any{dsl.Ascending(fieldTime), dsl.Ascending(fieldUID)},
		Fields:     []any{fieldSource, fieldDest, fieldDstPort, fieldTransport, fieldSrcPort, fieldUID, startMillis()},
		FilterPath: []string{"hits.hits.fields", "hits.hits.sort"}}
	return dsl.EachPage(ctx, s.client, q, func(page []hit) (bool, error) {
		list := make([]hunt.Connection, 0, len(page))
		for i := range page {
			h := &page[i].Fields
			c := hunt.Connection{SrcPort: uint16(first(h.SrcPort)), DstPort: uint16(first(h.Port)), Proto: hunt.ParseTransport(first(h.Transport)), UID: hunt.NewUID([]byte(first(h.UID)))}
			if len(h.Src) == 0 || len(h.Dst) == 0 || len(h.Start) == 0 {
				continue
			}
			if _, err := fmt.Sscan(h.Start[0], &c.Start); err != nil {
				return false, fmt.Errorf("time %q: %w", h.Start[0], err)
			}
			c.Src, c.Dst = h.Src[0].Unmap(), h.Dst[0].Unmap()
			list = append(list, c)
		}
		return true, emit(list)
	})
}
