package history

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/hunt"
)

// Columns that [Store.Earliest] and [Store.Starts] read.
var (
	pairStart  = []string{"source_ip", "destination_ip", "destination_port", "transport", "start"}
	nameStart  = []string{"source_ip", "start", "name", "fingerprint"}
	queryStart = []string{"client_ip", "start", "query"}
)

// Starts returns the start times of each key's records before a time, Unix milliseconds, ascending; of more than
// maxStarts, the newest. It is like [hunt.Session.Starts].
func (s *Store) Starts(ctx context.Context, keys []hunt.PairKey, before time.Time) (map[hunt.PairKey][]int64, error) {
	out := map[hunt.PairKey][]int64{}
	trim := func(list []int64) []int64 {
		slices.Sort(list)
		return list[max(0, len(list)-maxStarts):]
	}
	err := s.eachStart(ctx, keys, before, func(k hunt.PairKey, at int64) {
		list := append(out[k], at)
		if len(list) >= 2*maxStarts {
			list = trim(list)
		}
		out[k] = list
	})
	for k := range out {
		out[k] = trim(out[k])
	}
	return out, err
}

// maxStarts is more than 30 days of check-ins every 13 seconds.
const maxStarts = 200_000

// eachStart calls saw with the start of each record of some keys before a time, one call at a time. Keys by name,
// fingerprint and DNS domain are looked up among the names and queries, all others among the connections.
func (s *Store) eachStart(ctx context.Context, keys []hunt.PairKey, before time.Time, saw func(hunt.PairKey, int64)) error {
	w := wanted{before: before.UnixMilli(), saw: saw}
	for i := range keys {
		w.add(&keys[i])
	}
	if len(keys) == 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, sp := range s.selected(&Selection{To: before}) {
		for _, seg := range sp.Segments {
			g.Go(func() error {
				switch {
				case seg.Kind == Connections && len(w.pairs) > 0:
					return scan(ctx, s.dir, seg, sources(w.pairs), pairStart, func(_ int64, rows []connection) error {
						w.mu.Lock()
						defer w.mu.Unlock()
						for i := range rows {
							w.connection(&rows[i])
						}
						return nil
					})
				case seg.Kind == Names && len(w.names) > 0:
					return scan(ctx, s.dir, seg, sources(w.names), nameStart, func(_ int64, rows []name) error {
						w.mu.Lock()
						defer w.mu.Unlock()
						for i := range rows {
							w.name(&rows[i])
						}
						return nil
					})
				case seg.Kind == Queries && len(w.domains) > 0:
					return scan(ctx, s.dir, seg, sources(w.domains), queryStart, func(_ int64, rows []query) error {
						w.mu.Lock()
						defer w.mu.Unlock()
						for i := range rows {
							w.query(&rows[i])
						}
						return nil
					})
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// wanted are keys, by what their records have.
type wanted struct {
	pairs, names, domains map[address][]hunt.PairKey
	before                int64

	mu  sync.Mutex
	saw func(hunt.PairKey, int64)
}

func (w *wanted) add(k *hunt.PairKey) {
	into := &w.pairs
	switch k.Kind() {
	case "name", "fingerprint":
		into = &w.names
	case "dns":
		into = &w.domains
	}
	if *into == nil {
		*into = map[address][]hunt.PairKey{}
	}
	src := k.Src.As16()
	if !slices.Contains((*into)[src], *k) {
		(*into)[src] = append((*into)[src], *k)
	}
}

func (w *wanted) see(k hunt.PairKey, at int64) {
	if at < w.before {
		w.saw(k, at)
	}
}

func (w *wanted) connection(r *connection) {
	for _, k := range w.pairs[r.Source] {
		dst := addr(r.Destination)
		switch {
		case !k.AnyPort && (k.Port != r.DestinationPort || k.Proto != hunt.Transport(r.Transport)):
		case k.Network.IsValid() && !k.Network.Contains(dst), !k.Network.IsValid() && k.Dst != (netip.Addr{}) && k.Dst != dst:
		default:
			w.see(k, r.Start)
		}
	}
}

func (w *wanted) name(r *name) {
	for _, k := range w.names[r.Source] {
		if below, ok := strings.CutPrefix(k.Name, "*"); ok && strings.HasSuffix(r.Name, below) {
			w.see(k, r.Start)
			continue
		}
		if k.Name != "" && k.Name == r.Name || k.Name == "" && k.Fingerprint.String() == r.Fingerprint {
			w.see(k, r.Start)
		}
	}
}

func (w *wanted) query(r *query) {
	for _, k := range w.domains[r.Client] {
		if hunt.Within(r.Query, k.DNS) {
			w.see(k, r.Start)
		}
	}
}

// sources are the sources of some keys, as intervals.
func sources(of map[address][]hunt.PairKey) []interval {
	out := make([]interval, 0, len(of))
	for src := range of {
		out = append(out, interval{src, src})
	}
	return ordered(out)
}
