package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

const (
	// rawPage is how many records one search gives, the most that an index allows by default.
	rawPage = 10_000
	// rawDestinations is how many destinations one search names.
	rawDestinations = 1000
)

// UIDs is [hunt.Session.UIDs]: it reads the connection records of one source to some destinations one by one, which pages of buckets leave out.
func (s *Source) UIDs(ctx context.Context, req hunt.Request, src netip.Addr, to []netip.Addr, emit func([]hunt.Connection) error) error {
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(to, rawDestinations) {
		filter := []any{only(datasetConn), between(req.From.UnixMilli(), req.To.UnixMilli()), is(fieldSource, src), oneOf(fieldDest, batch)}
		if err := s.uids(ctx, names, filter, emit); err != nil {
			return fmt.Errorf("read the connections of %s: %w", src, err)
		}
	}
	return nil
}

func (s *Source) uids(ctx context.Context, names []string, filter []any, emit func([]hunt.Connection) error) error {
	type hit struct {
		Fields sampleFields    `json:"fields"`
		Sort   json.RawMessage `json:"sort"`
	}
	var after json.RawMessage
	for {
		search := object{"size": rawPage, "track_total_hits": false, "_source": false, "query": object{"bool": object{"filter": filter}},
			"sort":   []any{object{fieldTime: "asc"}, object{fieldUID: "asc"}},
			"fields": []any{fieldSource, fieldDest, fieldDstPort, fieldTransport, fieldSrcPort, fieldUID, object{"field": fieldTime, "format": "epoch_millis"}}}
		if after != nil {
			search["search_after"] = after
		}
		var page struct {
			Hits []hit `json:"hits"`
		}
		err := s.client.Search(ctx, es.SearchRequest{Op: "read connections", Index: names, Body: body(search), MissingOK: true, FilterPath: []string{"hits.hits.fields", "hits.hits.sort"}},
			func(r es.SearchResult) error {
				if r.Hits == nil {
					return nil
				}
				return json.Unmarshal(r.Hits, &page)
			})
		if err != nil {
			return err
		}
		list := make([]hunt.Connection, 0, len(page.Hits))
		for i := range page.Hits {
			h := &page.Hits[i].Fields
			c := hunt.Connection{SrcPort: uint16(first(h.SrcPort)), DstPort: uint16(first(h.Port)), Proto: hunt.ParseTransport(first(h.Transport)), UID: hunt.NewUID([]byte(first(h.UID)))}
			if len(h.Src) == 0 || len(h.Dst) == 0 || len(h.Start) == 0 {
				continue
			}
			if _, err := fmt.Sscan(h.Start[0], &c.Start); err != nil {
				return fmt.Errorf("time %q: %w", h.Start[0], err)
			}
			c.Src, c.Dst = h.Src[0].Unmap(), h.Dst[0].Unmap()
			list = append(list, c)
		}
		if err := emit(list); err != nil || len(page.Hits) < rawPage {
			return err
		}
		after = page.Hits[len(page.Hits)-1].Sort
	}
}
