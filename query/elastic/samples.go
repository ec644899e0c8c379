package elastic

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// sampleBatch findings are looked up by one search: a few clauses each, far below a small node's clause limit. mostSamples
// is the largest number of hits that a search may have.
const sampleBatch, mostSamples = 200, 10_000

// flowStart identifies a finding's last connection: where from, and when it began (Unix milliseconds).
type flowStart struct {
	src   netip.Addr
	start int64
}

// wish describes a finding's last connection or query. Of several that fit, the one to the finding's own port is taken,
// then the one with the smallest uid, so that the same hunt always names the same one.
type wish struct {
	finding *hunt.Finding
	dataset string
	// to is where it went: one address, one of several, or anywhere in a network.
	to []netip.Prefix
	// anyPort is for names: a proxy was asked for them at its own port.
	anyPort bool
	got     *sampleFields
}

// Sample is [hunt.Session.Samples]: it looks up uid, ports, sensor and flow hash of each finding's last connection, or
// newest DNS query; a few hundred findings a search, never a search a finding.
func (s *Source) Sample(ctx context.Context, findings []hunt.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	names, _, err := s.indices(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opt.Concurrency)
	for batch := range slices.Chunk(findings, sampleBatch) {
		g.Go(func() error {
			if err := s.sample(ctx, names, batch); err != nil {
				return fmt.Errorf("look up the connections behind %d findings: %w", len(batch), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (s *Source) sample(ctx context.Context, names []string, findings []hunt.Finding) error {
	wishes := make(map[flowStart][]*wish, len(findings))
	var exact, moments []any
	var sources []string
	asked := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		w, ok := wishOf(f)
		if !ok {
			continue
		}
		start := f.Timestamp
		if !f.LastBegan.IsZero() && f.LastBegan.Before(start.Time) { // it began before the window, so the finding's time is the window's start
			start = f.LastBegan
		}
		at := flowStart{f.Source.IP, start.UnixMilli()}
		wishes[at] = append(wishes[at], w)
		clause := w.clause(at)
		text, err := json.Marshal(clause)
		if err != nil {
			return err
		}
		if !asked[string(text)] { // an address and a network can end with the same connection
			asked[string(text)] = true
			exact, moments, sources = append(exact, clause), append(moments, between(at.start, at.start+1)), append(sources, at.src.String())
		}
	}
	if len(exact) == 0 {
		return nil
	}
	// What these sources did in these moments is found in less than half the time of each connection by itself, and is
	// hardly more. Where it is too much, each is looked for.
	hits, err := s.samples(ctx, names, mostSamples, dsl.Terms(fieldSource, sources), dsl.Any(moments...))
	if err == nil && len(hits) == mostSamples {
		hits, err = s.samples(ctx, names, min(4*len(findings), mostSamples), dsl.Any(exact...)) // identical starts are rare, but occur: room for a few each
	}
	for i := range hits {
		hits[i].Fields.offer(wishes)
	}
	for _, list := range wishes {
		for _, w := range list {
			w.grant()
		}
	}
	return err
}

// sampleHit is one connection or query.
type sampleHit struct {
	Fields sampleFields `json:"fields"`
}

func (s *Source) samples(ctx context.Context, names []string, most int, filter ...any) ([]sampleHit, error) {
	return dsl.Hits[sampleHit](ctx, s.client, dsl.Search{Op: "look up sample connections", Index: names, Size: most,
		Query: dsl.All(append(filter, dsl.Terms(fieldDataset, []string{datasetConn, datasetDNS}))...),
		Fields: []any{fieldDataset, fieldSource, fieldDest, fieldDstPort, fieldTransport, fieldSrcPort, fieldQuery, securityonion.FieldCommunity,
			fieldUID, securityonion.FieldObserver, startMillis()},
		FilterPath: []string{"hits.hits.fields"}})
}

// wishOf says where the finding's last connection went: anywhere, for a fingerprint. DNS findings want a query to any
// resolver.
func wishOf(f *hunt.Finding) (*wish, bool) {
	w := &wish{finding: f, dataset: datasetConn}
	if !f.Source.IP.IsValid() {
		return nil, false
	}
	anywhere, err := f.Source.IP.Prefix(0)
	if err != nil {
		return nil, false
	}
	side := hunt.SideOf(f)
	switch {
	case side.DNS:
		w.dataset, w.to = datasetDNS, []netip.Prefix{anywhere}
	case side.Network.IsValid():
		w.to = []netip.Prefix{side.Network}
	case side.Fingerprint != "":
		w.to = []netip.Prefix{anywhere}
	case f.Destination.IP.IsValid():
		w.to = []netip.Prefix{netip.PrefixFrom(f.Destination.IP, f.Destination.IP.BitLen())}
		if w.anyPort = side.Name != ""; w.anyPort && f.Dwell.Evidence != nil {
			for _, a := range f.Dwell.Evidence.Addresses {
				if p := netip.PrefixFrom(a, a.BitLen()); !slices.Contains(w.to, p) {
					w.to = append(w.to, p)
				}
			}
		}
	default:
		return nil, false
	}
	return w, true
}

func (w *wish) clause(at flowStart) object {
	to := make([]string, len(w.to))
	for i, p := range w.to {
		to[i] = p.String()
	}
	filter := []any{dsl.Term(fieldDataset, w.dataset), dsl.Term(fieldSource, at.src.String()),
		dsl.Terms(fieldDest, to), between(at.start, at.start+1)}
	if !w.anyPort {
		filter = append(filter, dsl.Term(fieldDstPort, w.finding.Destination.Port))
	}
	return dsl.All(filter...)
}

// sampleFields is one connection or query from the fields API: every value is a list.
type sampleFields struct {
	Dataset   []string     `json:"event.dataset"`
	Src       []netip.Addr `json:"source.ip"`
	Dst       []netip.Addr `json:"destination.ip"`
	Port      []int        `json:"destination.port"`
	SrcPort   []int        `json:"source.port"`
	Transport []string     `json:"network.transport"`
	Query     []string     `json:"dns.query.name"`
	Community []string     `json:"network.community_id"`
	Start     []string     `json:"@timestamp"`
	UID       []string     `json:"log.id.uid"`
	Observer  []string     `json:"observer.name"`
}

// startMillis requests a record's time in Unix milliseconds.
func startMillis() object { return object{"field": fieldTime, "format": "epoch_millis"} }

// offer passes the record to the findings that it fits.
func (h *sampleFields) offer(wishes map[flowStart][]*wish) {
	if len(h.Src) == 0 || len(h.Dst) == 0 || len(h.Start) == 0 {
		return
	}
	at := flowStart{src: h.Src[0].Unmap()}
	if _, err := fmt.Sscan(h.Start[0], &at.start); err != nil {
		return
	}
	for _, w := range wishes[at] {
		if w.takes(h) && (w.got == nil || w.order(h) < 0) {
			w.got = h
		}
	}
}

func (w *wish) takes(h *sampleFields) bool {
	f, dst := w.finding, h.Dst[0].Unmap()
	if first(h.Dataset) != w.dataset || !slices.ContainsFunc(w.to, func(p netip.Prefix) bool { return p.Contains(dst) }) {
		return false
	}
	if w.dataset == datasetDNS {
		domain, name := f.Destination.Domain, hunt.HostName(first(h.Query))
		return domain == hunt.UnsharedDomains || hunt.Within(name, domain)
	}
	return w.anyPort || first(h.Port) == f.Destination.Port && hunt.ParseTransport(first(h.Transport)).String() == f.Network.Transport
}

// order is negative if the record is preferred to the one so far.
func (w *wish) order(h *sampleFields) int {
	other := func(h *sampleFields) int {
		if first(h.Port) == w.finding.Destination.Port {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(other(h), other(w.got)), cmp.Compare(first(h.UID), first(w.got.UID)))
}

// grant writes the result into the finding.
func (w *wish) grant() {
	f, h := w.finding, w.got
	if h == nil {
		return
	}
	f.Source.Port = first(h.SrcPort)
	if uid := first(h.UID); uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	if name := first(h.Observer); name != "" {
		f.Observer = &hunt.Observer{Name: name}
	}
	f.Network.CommunityID = first(h.Community)
	if dst, port := h.Dst[0].Unmap(), first(h.Port); dst != f.Destination.IP || port != f.Destination.Port {
		f.Dwell.Sample = &hunt.Endpoint{IP: dst, Port: port}
	}
	if w.dataset == datasetDNS && f.Dwell.DNS != nil && f.Destination.Domain != hunt.UnsharedDomains {
		f.Dwell.DNS.Query = hunt.HostName(first(h.Query))
	}
}

func first[T any](list []T) (v T) {
	if len(list) > 0 {
		return list[0]
	}
	return v
}
