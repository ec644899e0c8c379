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

// pairStart and nameStart are the columns that [Store.First] reads; a Parquet reader leaves the others on the disk.
type pairStart struct {
	Source          address `parquet:"source_ip,dict"`
	Destination     address `parquet:"destination_ip"`
	DestinationPort uint16  `parquet:"destination_port,dict"`
	Transport       uint8   `parquet:"transport,dict"`
	Start           int64   `parquet:"start,delta"`
}

type nameStart struct {
	Source      address `parquet:"source_ip,dict"`
	Start       int64   `parquet:"start,delta"`
	Name        string  `parquet:"name,dict"`
	Fingerprint string  `parquet:"fingerprint,dict"`
}

type queryStart struct {
	Client address `parquet:"client_ip,dict"`
	Start  int64   `parquet:"start,delta"`
	Query  string  `parquet:"query,dict"`
}

// First gives the start of the first record of each key that began before a time, as far back as history goes; a key without
// one is missing in the answer. Keys by name, fingerprint and DNS domain are looked up among the names, all others among the
// connections. It reads a few columns of all that is kept: some seconds for 90 million connections.
func (s *Store) First(ctx context.Context, keys []hunt.PairKey, before time.Time) (first map[hunt.PairKey]time.Time, oldest time.Time, err error) {
	oldest, _ = s.Oldest()
	var w wanted
	for i := range keys {
		w.add(&keys[i])
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, sp := range s.selected(&Selection{To: before}) {
		for _, seg := range sp.Segments {
			g.Go(func() error {
				switch {
				case seg.Kind == Connections && len(w.pairs) > 0:
					return scan(ctx, s.dir, seg, sources(w.pairs), func(_ int64, rows []pairStart) error {
						for i := range rows {
							w.connection(&rows[i])
						}
						return nil
					})
				case seg.Kind == Names && len(w.names) > 0:
					return scan(ctx, s.dir, seg, sources(w.names), func(_ int64, rows []nameStart) error {
						for i := range rows {
							w.name(&rows[i])
						}
						return nil
					})
				case seg.Kind == Queries && len(w.domains) > 0:
					return scan(ctx, s.dir, seg, sources(w.domains), func(_ int64, rows []queryStart) error {
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
	if err := g.Wait(); err != nil {
		return nil, oldest, err
	}
	out := map[hunt.PairKey]time.Time{}
	for key, at := range w.first {
		if at < before.UnixMilli() {
			out[key] = time.UnixMilli(at).UTC()
		}
	}
	return out, oldest, nil
}

// wanted are keys by what their records have.
type wanted struct {
	pairs, names, domains map[address][]hunt.PairKey

	mu    sync.Mutex
	first map[hunt.PairKey]int64
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

func (w *wanted) saw(k hunt.PairKey, at int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = map[hunt.PairKey]int64{}
	}
	if first, ok := w.first[k]; !ok || at < first {
		w.first[k] = at
	}
}

func (w *wanted) connection(r *pairStart) {
	for _, k := range w.pairs[r.Source] {
		dst := addr(r.Destination)
		switch {
		case !k.AnyPort && (k.Port != r.DestinationPort || k.Proto != hunt.Transport(r.Transport)):
		case k.Network.IsValid() && !k.Network.Contains(dst), !k.Network.IsValid() && k.Dst != (netip.Addr{}) && k.Dst != dst:
		default:
			w.saw(k, r.Start)
		}
	}
}

func (w *wanted) name(r *nameStart) {
	for _, k := range w.names[r.Source] {
		if below, ok := strings.CutPrefix(k.Name, "*"); ok && strings.HasSuffix(r.Name, below) {
			w.saw(k, r.Start)
			continue
		}
		if k.Name != "" && k.Name == r.Name || k.Name == "" && k.Fingerprint.String() == r.Fingerprint {
			w.saw(k, r.Start)
		}
	}
}

func (w *wanted) query(r *queryStart) {
	for _, k := range w.domains[r.Client] {
		if r.Query == k.DNS || strings.HasSuffix(r.Query, k.DNS) && r.Query[len(r.Query)-len(k.DNS)-1] == '.' {
			w.saw(k, r.Start)
		}
	}
}

// sources are those of some keys, as intervals.
func sources(of map[address][]hunt.PairKey) []interval {
	out := make([]interval, 0, len(of))
	for src := range of {
		out = append(out, interval{src, src})
	}
	return ordered(out)
}
