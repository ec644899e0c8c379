package elastic

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// Keys by address and by name are looked up as sets: one clause for all sources, one for all destinations. That costs
// the server a twelfth of one clause each; nested terms separate the pairs. Traffic of a source with another key's
// destination comes along and is ignored; it is little, since keys with the same destination are together.

// by is a terms aggregation with another one below it.
type by[T any] struct {
	Others  int64 `json:"sum_other_doc_count"`
	Buckets []struct {
		Key string `json:"key"`
		In  T      `json:"in"`
	} `json:"buckets"`
}

// within makes terms of a field with room for this many values.
func within(field string, room int, below string, aggs any) object {
	t := object{"terms": object{"field": field, "size": room, "shard_size": room}}
	if below != "" {
		aggs = object{below: aggs}
	}
	t["aggs"] = aggs
	return t
}

// in requests a level below, under the name that by reads.
const in = "in"

// sets calls look with batches of keys. If an answer is too big or incomplete, the batch is halved.
func (f *facts) sets(keys []int, look func(ctx context.Context, batch []int) (whole bool, err error)) {
	var halves func(ctx context.Context, batch []int) error
	halves = func(ctx context.Context, batch []int) error {
		whole, err := look(ctx, batch)
		if n := len(batch) / 2; n > 0 && (es.Is(err, es.TooBig) || err == nil && !whole) {
			if err = halves(ctx, batch[:n]); err == nil {
				err = halves(ctx, batch[n:])
			}
		}
		return err
	}
	for batch := range slices.Chunk(keys, setsBatch) {
		f.ask(func(ctx context.Context) error { return halves(ctx, batch) })
	}
}

// members are the values of a batch's keys, each once.
func members[T cmp.Ordered](f *facts, batch []int, of func(*hunt.PairKey) T) []T {
	set := map[T]struct{}{}
	for _, i := range batch {
		set[of(&f.wanted[i])] = struct{}{}
	}
	return slices.Sorted(maps.Keys(set))
}

func srcText(k *hunt.PairKey) string { return k.Src.String() }
func dstText(k *hunt.PairKey) string { return k.Dst.String() }

// pair is two addresses in an answer.
type pair struct{ src, dst netip.Addr }

func pairOf(src, dst string) pair {
	a, _ := netip.ParseAddr(src)
	b, _ := netip.ParseAddr(dst)
	return pair{a.Unmap(), b.Unmap()}
}

// keyAnswers are those of different values of a field.
type keyAnswers struct {
	Others  int64 `json:"sum_other_doc_count"`
	Buckets []struct {
		Key string `json:"key"`
		keyAnswer
	} `json:"buckets"`
}

// parted are keys that span all ports, and the others.
func (f *facts) parted(keys []int) (all, one []int) {
	for _, i := range keys {
		if f.wanted[i].AnyPort {
			all = append(all, i)
		} else {
			one = append(one, i)
		}
	}
	return all, one
}

// addresses looks at the records of keys by address.
func (f *facts) addresses() {
	all, one := f.parted(f.ofKind("address"))
	f.sets(all, f.allPorts)
	f.sets(one, f.onePort)
}

// allPorts looks at keys by address alone.
func (f *facts) allPorts(ctx context.Context, batch []int) (bool, error) {
	src, dst := members(f, batch, srcText), members(f, batch, dstText)
	var a struct {
		In by[keyAnswers] `json:"in"`
	}
	err := f.search(ctx, "look up TLS, HTTP, weird, notice and intel records of all ports", []any{spoken(), dsl.Terms(fieldSource, src), dsl.Terms(fieldDest, dst)},
		object{in: within(fieldSource, len(src), in, within(fieldDest, len(dst), "", keyAggs()))}, &a)
	found, whole := byPair(&a.In)
	for _, i := range batch {
		if b := found[pair{f.wanted[i].Src, f.wanted[i].Dst}]; b != nil {
			f.fill(i, b)
		}
	}
	return whole, err
}

// byPair finds the answers of an aggregation by source and destination, and says whether all are there.
func byPair(a *by[keyAnswers]) (found map[pair]*keyAnswer, whole bool) {
	found, whole = map[pair]*keyAnswer{}, a.Others == 0
	for _, s := range a.Buckets {
		whole = whole && s.In.Others == 0
		for i := range s.In.Buckets {
			found[pairOf(s.Key, s.In.Buckets[i].Key)] = &s.In.Buckets[i].keyAnswer
		}
	}
	return found, whole
}

// onePort looks at keys by address and port.
func (f *facts) onePort(ctx context.Context, batch []int) (bool, error) {
	src, dst := members(f, batch, srcText), members(f, batch, dstText)
	ports := members(f, batch, func(k *hunt.PairKey) uint16 { return k.Port })
	var a struct {
		In by[by[struct {
			Others  int64 `json:"sum_other_doc_count"`
			Buckets []struct {
				Key uint16 `json:"key"`
				keyAnswer
			} `json:"buckets"`
		}]] `json:"in"`
	}
	err := f.search(ctx, "look up TLS, HTTP, weird, notice and intel records", []any{spoken(), dsl.Terms(fieldSource, src), dsl.Terms(fieldDest, dst), dsl.Terms(fieldDstPort, ports)},
		object{in: within(fieldSource, len(src), in, within(fieldDest, len(dst), in, within(fieldDstPort, len(ports), "", keyAggs())))}, &a)
	if err != nil {
		return false, err
	}
	type end struct {
		pair
		port uint16
	}
	found := map[end]*keyAnswer{}
	whole := true
	for _, s := range a.In.Buckets {
		for _, d := range s.In.Buckets {
			whole = whole && d.In.Others == 0
			for i := range d.In.Buckets {
				p := &d.In.Buckets[i]
				found[end{pairOf(s.Key, d.Key), p.Key}] = &p.keyAnswer
			}
		}
		whole = whole && s.In.Others == 0
	}
	for _, i := range batch {
		k := &f.wanted[i]
		if b := found[end{pair{k.Src, k.Dst}, k.Port}]; b != nil {
			f.fill(i, b)
		}
	}
	return whole && a.In.Others == 0, nil
}

// names looks at the records of keys by name.
func (f *facts) names() {
	f.sets(f.ofKind("name"), func(ctx context.Context, batch []int) (bool, error) {
		s, err := f.spell(ctx, batch)
		if err != nil {
			return false, err
		}
		whole, err := f.named(ctx, batch, &s)
		if err != nil || !whole {
			return whole, err
		}
		return f.remarks(ctx, batch, &s)
	})
}

// spellings is the mean number of ways to spell a name, in upper case and with ports, above which a batch is halved.
const spellings = 4

// named is who used a name.
type named struct {
	src  netip.Addr
	name string
}

func nameOf(k *hunt.PairKey) string { return k.Name }

// named looks at TLS records by server name and at HTTP records by host.
func (f *facts) named(ctx context.Context, batch []int, s *spelling) (bool, error) {
	src, names := members(f, batch, srcText), members(f, batch, nameOf)
	room := spellings*len(names) + hunt.FactsTop
	var a struct {
		TLS struct {
			In by[struct {
				Others  int64 `json:"sum_other_doc_count"`
				Buckets []struct {
					Key string `json:"key"`
					tlsAnswer
				} `json:"buckets"`
			}] `json:"in"`
		} `json:"tls"`
		HTTP struct {
			In by[struct {
				Others  int64 `json:"sum_other_doc_count"`
				Buckets []struct {
					Key string `json:"key"`
					httpAnswer
				} `json:"buckets"`
			}] `json:"in"`
		} `json:"http"`
	}
	err := f.search(ctx, "look up TLS and HTTP records by name", []any{dsl.Terms(fieldDataset, []string{datasetTLS, datasetHTTP}), dsl.Terms(fieldSource, src),
		dsl.Any(append(s.of(fieldServerName, names, false), s.of(fieldHost, names, true)...)...)},
		object{
			"tls":  dsl.Under(only(datasetTLS), object{in: within(fieldSource, len(src), in, within(fieldServerName, room, "", tlsAggs()))}),
			"http": dsl.Under(only(datasetHTTP), object{in: within(fieldSource, len(src), in, within(fieldHost, room, "", httpAggs()))}),
		}, &a)
	if err != nil {
		return false, err
	}
	found := map[named]*keyAnswer{}
	of := func(src, name string) *keyAnswer {
		addr, _ := netip.ParseAddr(src)
		k := named{addr.Unmap(), hunt.HostName(name)}
		if found[k] == nil {
			found[k] = &keyAnswer{}
		}
		return found[k]
	}
	whole := a.TLS.In.Others+a.HTTP.In.Others == 0
	for _, s := range a.TLS.In.Buckets {
		whole = whole && s.In.Others == 0
		for i := range s.In.Buckets {
			of(s.Key, s.In.Buckets[i].Key).TLS.add(&s.In.Buckets[i].tlsAnswer)
		}
	}
	for _, s := range a.HTTP.In.Buckets {
		whole = whole && s.In.Others == 0
		for i := range s.In.Buckets {
			of(s.Key, s.In.Buckets[i].Key).HTTP.add(&s.In.Buckets[i].httpAnswer)
		}
	}
	for _, i := range batch {
		k := &f.wanted[i]
		if b := found[named{k.Src, k.Name}]; b != nil {
			f.fillTLS(i, &b.TLS)
			f.fillHTTP(i, &b.HTTP)
		}
	}
	return whole, nil
}

// remarks looks at what Zeek itself reported about the hosts of keys by name, and about the names.
func (f *facts) remarks(ctx context.Context, batch []int, s *spelling) (bool, error) {
	src, dst, names := members(f, batch, srcText), addressed(members(f, batch, dstText)), members(f, batch, nameOf)
	room := spellings*len(names) + hunt.FactsTop
	indicators := s.of(fieldIndicator, names, false)
	var a struct {
		Between struct {
			In by[keyAnswers] `json:"in"`
		} `json:"between"`
		Asked struct {
			In by[terms] `json:"in"`
		} `json:"asked"`
	}
	asked := within(fieldIndicator, room, "", object{"sub": termsOf(fieldIntelType, 1, nil), "other": top(fieldIntelLists)})
	err := f.search(ctx, "look up weird, notice and intel records of names", []any{dsl.Terms(fieldDataset, []string{datasetWeird, datasetNotice, datasetIntel}), dsl.Terms(fieldSource, src),
		dsl.Any(append(slices.Clone(indicators), dsl.Terms(fieldDest, dst))...)},
		object{
			"between": dsl.Under(dsl.Terms(fieldDest, dst), object{in: within(fieldSource, len(src), in, within(fieldDest, max(1, len(dst)), "", remarkAggs()))}),
			"asked":   dsl.Under(dsl.Any(indicators...), object{in: within(fieldSource, len(src), in, asked)}),
		}, &a)
	if err != nil {
		return false, err
	}
	between, whole := byPair(&a.Between.In)
	whole = whole && a.Asked.In.Others == 0
	said := map[named][]termsBucket{}
	for _, s := range a.Asked.In.Buckets {
		addr, _ := netip.ParseAddr(s.Key)
		for _, b := range s.In.Buckets {
			k := named{addr.Unmap(), hunt.HostName(b.Key)}
			said[k] = append(said[k], b)
		}
	}
	for _, i := range batch {
		k := &f.wanted[i]
		var b keyAnswer
		if found := between[pair{k.Src, k.Dst}]; found != nil {
			b = *found
		}
		// What is about the name counts whoever answered; what is in both counts once.
		seen := slices.Clone(said[named{k.Src, k.Name}])
		for _, n := range b.Intel.Buckets {
			if hunt.HostName(n.Key) != k.Name {
				seen = append(seen, n)
			}
		}
		b.Intel.Buckets = seen
		f.fillRemarks(i, &b)
	}
	return whole, nil
}

// spelling is how names are written in the window, where that differs from hunt.HostName.
type spelling struct {
	// odd are the spellings of a name with capitals. unknown says that there are more than were looked at.
	odd     map[string][]string
	unknown bool
}

// maxOdd is the number of values with capitals looked at, for each field.
const maxOdd = 10_000

// spell finds the names written with capitals. Clients rarely do that, and ignoring case on the server costs more for
// one name than for a whole batch otherwise.
func (f *facts) spell(ctx context.Context, batch []int) (s spelling, err error) {
	fields := []string{fieldServerName, fieldHost, fieldIndicator}
	aggs, should := object{}, []any{}
	for _, field := range fields {
		capitals := object{"regexp": object{field: object{"value": ".*[A-Z].*", "flags": "NONE"}}}
		should = append(should, capitals)
		aggs[field] = dsl.Under(capitals, object{in: object{"terms": object{"field": field, "size": maxOdd, "shard_size": maxOdd}}})
	}
	var a map[string]struct {
		In struct {
			terms
			Others int64 `json:"sum_other_doc_count"`
		} `json:"in"`
	}
	err = f.search(ctx, "look for names with capitals", []any{dsl.Terms(fieldDataset, []string{datasetTLS, datasetHTTP, datasetIntel}),
		dsl.Terms(fieldSource, members(f, batch, srcText)), dsl.Any(should...)},
		aggs, &a)
	s.odd = map[string][]string{}
	for _, field := range a {
		s.unknown = s.unknown || field.In.Others > 0
		for _, b := range field.In.Buckets {
			name := hunt.HostName(b.Key)
			s.odd[name] = append(s.odd[name], b.Key)
		}
	}
	return s, err
}

// of matches a field with one of these names, with or without a final dot, and with a port if ports says so.
func (s *spelling) of(field string, names []string, ports bool) (should []any) {
	var exact []string
	for _, n := range names {
		exact = append(append(exact, n, n+"."), s.odd[n]...)
		if s.unknown {
			should = append(should, anyCase(field, n))
		}
		if ports {
			should = append(should, object{"prefix": object{field: object{"value": n + ":", "case_insensitive": s.unknown}}})
		}
	}
	return append(should, dsl.Terms(field, exact))
}

// add joins two spellings of one name.
func (t *tlsAnswer) add(o *tlsAnswer) {
	t.Count += o.Count
	t.NoName.Count += o.NoName.Count
	for _, l := range [][2]*terms{{&t.Names, &o.Names}, {&t.JA3, &o.JA3}, {&t.JA4, &o.JA4}, {&t.Subjects, &o.Subjects}, {&t.Chain, &o.Chain}} {
		l[0].add(l[1])
	}
	t.Values.add(o.Values)
}

func (h *httpAnswer) add(o *httpAnswer) {
	h.Count += o.Count
	h.NoHost.Count += o.NoHost.Count
	for _, l := range [][2]*terms{{&h.Hosts, &o.Hosts}, {&h.Agents, &o.Agents}, {&h.URIs, &o.URIs}} {
		l[0].add(l[1])
	}
	h.Values.add(o.Values)
}

func (t *terms) add(o *terms) {
	for i := range o.Buckets {
		b := &o.Buckets[i]
		at := slices.IndexFunc(t.Buckets, func(have termsBucket) bool { return have.Key == b.Key })
		if at < 0 {
			t.Buckets = append(t.Buckets, *b)
			continue
		}
		have := &t.Buckets[at]
		have.Count += b.Count
		have.Sub.add(&b.Sub)
		have.Other.add(&b.Other)
	}
}
