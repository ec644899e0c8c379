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

// sampleBatch is how many findings one search looks up: four clauses each, far below a small node's clause limit.
const sampleBatch = 200

// sampleKey finds a finding's last connection again: where from, where to (an address, or the network of a roll-up),
// port, transport and start.
type sampleKey struct {
	src       netip.Addr
	to        netip.Prefix
	port      int
	transport string
	start     int64
}

// Sample is [hunt.Session.Samples]: it looks up uid, source port and sensor of each finding's last connection, a few
// hundred findings a search, never a search a finding. DNS tunnels, for which no one connection stands, are left as they
// are.
func (s *Source) Sample(ctx context.Context, findings []hunt.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(findings, sampleBatch) {
		if err := s.sample(ctx, names, batch); err != nil {
			return fmt.Errorf("look up the connections behind %d findings: %w", len(batch), err)
		}
	}
	return nil
}

func (s *Source) sample(ctx context.Context, names []string, findings []hunt.Finding) error {
	wanted := make(map[sampleKey][]*hunt.Finding, len(findings))
	should := make([]any, 0, len(findings))
	for i := range findings {
		f := &findings[i]
		to, ok := sampledAt(f)
		if !ok {
			continue // A tunnel: no one connection stands for it.
		}
		start := f.Timestamp
		if !f.Event.End.IsZero() && f.Event.End.Before(start.Time) { // It began before the window, whose start the finding's time then is.
			start = f.Event.End
		}
		k := sampleKey{f.Source.IP, to, f.Destination.Port, f.Network.Transport, start.UnixMilli()}
		wanted[k] = append(wanted[k], f)
		if len(wanted[k]) > 1 {
			continue // An address and a name that end with the same connection.
		}
		should = append(should, object{"bool": object{"filter": []any{
			object{"term": object{fieldSource: k.src.String()}}, object{"term": object{fieldDest: k.to.String()}},
			object{"term": object{fieldDstPort: k.port}}, between(k.start, k.start+1),
		}}})
	}
	if len(should) == 0 {
		return nil
	}
	body, err := json.Marshal(object{
		// Identical starts are rare but there: room for a few each.
		"size": min(4*len(findings), 10_000), "track_total_hits": false, "_source": false,
		"query":  object{"bool": object{"filter": []any{object{"term": object{fieldDataset: datasetConn}}}, "should": should, "minimum_should_match": 1}},
		"fields": []any{fieldSource, fieldDest, fieldDstPort, fieldTransport, fieldSrcPort, "log.id.uid", "observer.name", object{"field": fieldTime, "format": "epoch_millis"}},
	})
	if err != nil {
		return err
	}
	return s.client.Search(ctx, es.SearchRequest{Op: "look up sample connections", Index: names, Body: body, MissingOK: true, FilterPath: []string{"hits.hits.fields"}},
		func(r es.SearchResult) error {
			if r.Hits == nil {
				return nil
			}
			var hits struct {
				Hits []struct {
					Fields sampleFields `json:"fields"`
				} `json:"hits"`
			}
			if err := json.Unmarshal(r.Hits, &hits); err != nil {
				return err
			}
			for _, h := range hits.Hits {
				h.Fields.fill(wanted)
			}
			return nil
		})
}

// sampledAt is where the finding's last connection went: one address, or somewhere in the network of a roll-up,
// anywhere where that is by fingerprint.
func sampledAt(f *hunt.Finding) (netip.Prefix, bool) {
	if !f.Source.IP.IsValid() || f.Dwell.DNS != nil {
		return netip.Prefix{}, false
	}
	if dst := f.Destination.IP; dst.IsValid() {
		return netip.PrefixFrom(dst, dst.BitLen()), true
	}
	if f.Dwell.Destination == nil {
		return netip.Prefix{}, false
	}
	if e := f.Dwell.Evidence; f.Dwell.Destination.Fingerprint != "" && e != nil && len(e.Addresses) > 0 {
		anywhere, err := e.Addresses[0].Prefix(0)
		return anywhere, err == nil
	}
	to, err := netip.ParsePrefix(f.Dwell.Destination.Network)
	return to.Masked(), err == nil
}

// sampleFields is one connection as the fields API gives it: every value a list.
type sampleFields struct {
	Src       []netip.Addr `json:"source.ip"`
	Dst       []netip.Addr `json:"destination.ip"`
	Port      []int        `json:"destination.port"`
	SrcPort   []int        `json:"source.port"`
	Transport []string     `json:"network.transport"`
	Start     []string     `json:"@timestamp"`
	UID       []string     `json:"log.id.uid"`
	Observer  []string     `json:"observer.name"`
}

// fill gives the connection to the findings it belongs to; of several the smallest uid wins, so that the same hunt
// always names the same connection.
func (h *sampleFields) fill(wanted map[sampleKey][]*hunt.Finding) {
	if len(h.Src) == 0 || len(h.Dst) == 0 || len(h.Start) == 0 {
		return
	}
	var k sampleKey
	if _, err := fmt.Sscan(h.Start[0], &k.start); err != nil {
		return
	}
	k.src, k.port = h.Src[0].Unmap(), first(h.Port)
	k.transport = hunt.ParseTransport(first(h.Transport)).String()
	dst := h.Dst[0].Unmap()
	for bits := range dst.BitLen() + 1 {
		k.to = netip.PrefixFrom(dst, bits).Masked()
		for _, f := range wanted[k] {
			h.give(f)
		}
	}
}

func (h *sampleFields) give(f *hunt.Finding) {
	uid := first(h.UID)
	if f.Log != nil && f.Log.ID.UID <= uid {
		return
	}
	f.Source.Port = first(h.SrcPort)
	if uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	if name := first(h.Observer); name != "" {
		f.Observer = &hunt.Observer{Name: name}
	}
}

func first[T any](list []T) (v T) {
	if len(list) > 0 {
		return list[0]
	}
	return v
}
