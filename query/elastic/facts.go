package elastic

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

const (
	// factsBatch roll-ups go into one search, with at most some 250 buckets each: an eighth of what a search may have.
	factsBatch = 32
	// setsBatch keys go into one search: a fifth of a search's buckets if each has all facts, and far fewer as a rule.
	setsBatch = 200
	// valuesBatch values (addresses, hashes, fingerprints) go into one search.
	valuesBatch = 200
	// relogged is how long Zeek does not log a certificate again.
	relogged = 24 * time.Hour
)

// The fields of facts (docs/facts/security-onion.md, 1.4 and 1.5).
const (
	fieldJA3        = "hash.ja3"
	fieldJA4        = "hash.ja4"
	fieldAgent      = "http.useragent"
	fieldSubject    = "ssl.certificate.subject"
	fieldIssuer     = "ssl.certificate.issuer"
	fieldChain      = "tls.server.hash.sha256"
	fieldWeird      = "weird.name"
	fieldNotice     = "notice.note"
	fieldCertHash   = "hash.sha256"
	fieldFileMIME   = "file.mime_type"
	fieldFileBytes  = "file.bytes.seen"
	fieldState      = securityonion.FieldConnState
	datasetFiles    = "zeek.file"
	datasetX509     = "zeek.x509"
	datasetWeird    = "zeek.weird"
	datasetNotice   = "zeek.notice"
	datasetIntel    = "zeek.intel"
	fieldIndicator  = "intel.indicator"
	fieldIntelType  = "intel.indicator_type"
	fieldIntelLists = "intel.sources"
)

// Facts is [hunt.Session.Facts]: one search for factsBatch keys, one each for valuesBatch certificates, addresses, and
// fingerprints or user agents, and one for the whole window, as many at once as the reading sends.
func (s *Source) Facts(ctx context.Context, req hunt.Request, wanted []hunt.PairKey) (hunt.FactBook, []hunt.Note, error) {
	names, _, err := s.indices(ctx)
	if err != nil {
		return hunt.FactBook{}, nil, err
	}
	f := &facts{source: s, index: names, req: req, wanted: wanted, book: hunt.FactBook{Facts: make([]hunt.Facts, len(wanted)), Records: map[string]int64{}},
		chains: make([]map[string]int64, len(wanted))}
	if f.runtime, err = s.countable(ctx, names, req, fieldJA3, fieldJA4, fieldAgent); err != nil {
		return hunt.FactBook{}, nil, err
	}
	// The second searches need the answers of the first.
	searches := [][]func(){{f.addresses, f.names, f.rollUps, f.between, f.window, f.answers, f.queries}, {f.certificates, f.spreads, f.intel}}
	if req.KeysAlone {
		searches = [][]func(){{f.addresses, f.names, f.rollUps}, {f.certificates}}
	}
	for _, steps := range searches {
		if err := f.together(ctx, steps); err != nil {
			return f.book, nil, fmt.Errorf("look up what other logs say about %d findings: %w", len(wanted), err)
		}
	}
	f.join()
	return f.book, nil, nil
}

// facts is one look-up.
type facts struct {
	source *Source
	index  []string
	req    hunt.Request
	wanted []hunt.PairKey
	// runtime are mappings for fields that cannot be aggregated as they are mapped.
	runtime object
	book    hunt.FactBook
	// chains are the hashes of the certificates that each key was shown, with their handshakes.
	chains []map[string]int64
	// shown are the certificates with these hashes, nil without a record.
	mu    sync.Mutex
	shown map[string]*hunt.Certificate
	// ask sends a search in its turn.
	ask func(func(context.Context) error)
}

// together runs steps, as many searches at once as the source may send, and waits for all answers.
func (f *facts) together(ctx context.Context, steps []func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(f.source.opt.Concurrency)
	f.ask = func(search func(context.Context) error) { g.Go(func() error { return search(ctx) }) }
	for _, step := range steps {
		step()
	}
	return g.Wait()
}

// terms is a terms aggregation's answer; Sub are those below it, by the names that the requests here use.
type terms struct {
	Buckets []termsBucket `json:"buckets"`
}

type termsBucket struct {
	Key   string `json:"key"`
	Count int64  `json:"doc_count"`
	Sub   terms  `json:"sub"`
	Other terms  `json:"other"`
}

func termsOf(field string, size int, sub object) object {
	t := object{"terms": object{"field": field, "size": size, "shard_size": 10 * size}}
	if sub != nil {
		t["aggs"] = sub
	}
	return t
}

func only(dataset string) object { return dsl.Term(fieldDataset, dataset) }

func lacks(field string) object {
	return dsl.Under(dsl.Not(dsl.Exists(field)), nil)
}

// search aggregates the window into an answer.
func (f *facts) search(ctx context.Context, op string, filter []any, aggs object, answer any) error {
	q := dsl.Search{Op: op, Index: f.index, Query: dsl.All(append([]any{during(f.req)}, filter...)...), Aggs: aggs}
	if len(f.runtime) > 0 {
		q.More = object{"runtime_mappings": f.runtime}
	}
	return q.Aggregations(ctx, f.source.client, answer)
}

// window counts the records of each log, and the hosts that show fingerprints and user agents.
func (f *facts) window() { f.ask(f.count) }

func (f *facts) count(ctx context.Context) error {
	var list []string
	for _, log := range hunt.FactLogs() {
		list = append(list, securityonion.Dataset(log))
	}
	hosts := func(fields ...string) object {
		var should []any
		for _, field := range fields {
			should = append(should, dsl.Exists(field))
		}
		return dsl.Under(dsl.All(f.internal(), dsl.Any(should...)), object{"n": object{"cardinality": object{"field": fieldSource, "precision_threshold": 40_000}}})
	}
	type population struct {
		N struct{ Value int } `json:"n"`
	}
	var a struct {
		D    terms      `json:"d"`
		TLS  population `json:"tls"`
		HTTP population `json:"http"`
	}
	err := f.search(ctx, "count the records of other logs", []any{dsl.Terms(fieldDataset, list)},
		object{"d": termsOf(fieldDataset, len(list), nil), "tls": hosts(fieldJA3, fieldJA4), "http": hosts(fieldAgent)}, &a)
	f.book.TLSHosts, f.book.HTTPHosts = a.TLS.N.Value, a.HTTP.N.Value
	for _, b := range a.D.Buckets {
		for _, log := range hunt.FactLogs() {
			if securityonion.Dataset(log) == b.Key {
				f.book.Records[log] = b.Count
			}
		}
	}
	return err
}

func (f *facts) internal() object { return inside(&f.req.Scope, fieldSource) }

// batches looks up the keys of a set, valuesBatch at a time, in order.
func batches[V any](f *facts, set map[string]V, look func(ctx context.Context, batch []string) error) {
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(set)), valuesBatch) {
		f.ask(func(ctx context.Context) error { return look(ctx, batch) })
	}
}

// answers finds the names whose DNS answers had the keys' addresses.
func (f *facts) answers() {
	at := map[string][]int{}
	for i, k := range f.wanted {
		if k.DNS == "" && k.Kind() == "address" {
			at[k.Dst.String()] = append(at[k.Dst.String()], i)
		}
	}
	batches(f, at, func(ctx context.Context, batch []string) error {
		var a struct {
			Answers terms `json:"answers"`
		}
		err := f.search(ctx, "look up the names of addresses", []any{only(datasetDNS), dsl.Terms(securityonion.FieldAnswers, batch)},
			object{"answers": dsl.ValuesOf(securityonion.FieldAnswers, batch, object{"sub": termsOf(fieldQuery, hunt.FactsTop, nil)})}, &a)
		for _, b := range a.Answers.Buckets {
			counts := map[string]int64{}
			for _, n := range b.Sub.Buckets {
				counts[hunt.HostName(n.Key)] += n.Count
			}
			delete(counts, "")
			for _, i := range at[b.Key] {
				f.book.Facts[i].Names = hunt.Top(counts)
			}
		}
		return err
	})
}

// queries counts the DNS queries of the keys' sources.
func (f *facts) queries() {
	at := map[string][]int{}
	for i, k := range f.wanted {
		if k.DNS == "" && k.Kind() == "address" {
			at[k.Src.String()] = append(at[k.Src.String()], i)
		}
	}
	batches(f, at, func(ctx context.Context, batch []string) error {
		var a struct {
			Sources terms `json:"sources"`
		}
		err := f.search(ctx, "count DNS queries", []any{only(datasetDNS), dsl.Terms(fieldSource, batch)},
			object{"sources": termsOf(fieldSource, len(batch), nil)}, &a)
		for _, b := range a.Sources.Buckets {
			if addr, err := netip.ParseAddr(b.Key); err == nil {
				for _, i := range at[addr.Unmap().String()] {
					f.book.Facts[i].Queries = b.Count
				}
			}
		}
		return err
	})
}

// spreads counts the hosts that show each telling fingerprint and user agent, and the addresses that they show it to.
func (f *facts) spreads() {
	for _, kind := range []struct {
		field, dataset string
		of             func(*hunt.Facts) []hunt.Trait
	}{
		{fieldJA3, datasetTLS, func(x *hunt.Facts) []hunt.Trait {
			if len(x.TLS.JA4) > 0 {
				return nil
			}
			return hunt.Distinctive(x.TLS.JA3, x.TLS.Records)
		}},
		{fieldJA4, datasetTLS, func(x *hunt.Facts) []hunt.Trait { return hunt.Distinctive(x.TLS.JA4, x.TLS.Records) }},
		{fieldAgent, datasetHTTP, func(x *hunt.Facts) []hunt.Trait { return hunt.Distinctive(x.HTTP.Agents, x.HTTP.Requests) }},
	} {
		at := map[string][]int{}
		for i := range f.book.Facts {
			if !f.req.Scope.IsInternal(f.wanted[i].Src) {
				continue
			}
			for _, t := range kind.of(&f.book.Facts[i]) {
				at[t.Value] = append(at[t.Value], i)
			}
		}
		batches(f, at, func(ctx context.Context, batch []string) error {
			var a struct {
				Values terms `json:"values"`
			}
			err := f.search(ctx, "look up the spread of "+kind.field, []any{only(kind.dataset), dsl.Terms(kind.field, batch), f.internal()},
				object{"values": dsl.ValuesOf(kind.field, batch, object{"sub": termsOf(fieldSource, hunt.TraitSpread, nil), "other": termsOf(fieldDest, hunt.TraitSpread, nil)})}, &a)
			for _, b := range a.Values.Buckets {
				for _, i := range at[b.Key] {
					list := kind.of(&f.book.Facts[i])
					for j := range list {
						if list[j].Value == b.Key {
							list[j].Hosts, list[j].Destinations = len(b.Sub.Buckets), len(b.Other.Buckets)
						}
					}
				}
			}
			return err
		})
	}
}
