package elastic

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// between looks at records about two hosts that have no names: connections without an answer, and files. The sender of
// a file is its record's source, whichever side opened the connection.
func (f *facts) between() {
	all, one := f.parted(f.ofKind("address", "name"))
	f.sets(all, f.betweenAddresses)
	f.sets(one, f.betweenAddresses)
	f.betweenNetworks()
}

// betweenAddresses is between for keys of one address, with one port or all.
func (f *facts) betweenAddresses(ctx context.Context, batch []int) (bool, error) {
	src, dst := members(f, batch, srcText), addressed(members(f, batch, dstText))
	attempts, ports := []any{unanswered()}, members(f, batch, func(k *hunt.PairKey) uint16 { return k.Port })
	if !f.wanted[batch[0]].AnyPort {
		attempts = append(attempts, dsl.Terms(fieldDstPort, ports))
	}
	way := func(dataset string, from, to []string, more ...any) object {
		return dsl.All(append([]any{only(dataset), dsl.Terms(fieldSource, from), dsl.Terms(fieldDest, to)}, more...)...)
	}
	room := len(src) + len(dst)
	var a struct {
		In by[struct {
			Others  int64 `json:"sum_other_doc_count"`
			Buckets []struct {
				Key string `json:"key"`
				betweenAnswer
			} `json:"buckets"`
		}] `json:"in"`
	}
	err := f.search(ctx, "look up files and unanswered connections", []any{dsl.Any(way(datasetConn, src, dst, attempts...),
		way(datasetFiles, src, dst), way(datasetFiles, dst, src))},
		object{in: within(fieldSource, room, in, within(fieldDest, room, "", betweenAggs(len(ports))))}, &a)
	if err != nil {
		return false, err
	}
	whole := a.In.Others == 0
	found := map[pair]*betweenAnswer{}
	for _, s := range a.In.Buckets {
		whole = whole && s.In.Others == 0
		for i := range s.In.Buckets {
			found[pairOf(s.Key, s.In.Buckets[i].Key)] = &s.In.Buckets[i].betweenAnswer
		}
	}
	for _, i := range batch {
		k := &f.wanted[i]
		f.fillBetween(i, found[pair{k.Src, k.Dst}], found[pair{k.Dst, k.Src}])
	}
	return whole, nil
}

// betweenNetworks is between for the keys by network, each with its own filter.
func (f *facts) betweenNetworks() {
	for batch := range slices.Chunk(f.ofKind("network"), factsBatch) {
		f.ask(func(ctx context.Context) error {
			filters, should := object{}, []any{}
			for _, i := range batch {
				k := &f.wanted[i]
				out, back := []any{dsl.Term(fieldSource, k.Src), dsl.Term(fieldDest, k.Network)}, []any{only(datasetFiles), dsl.Term(fieldSource, k.Network), dsl.Term(fieldDest, k.Src)}
				q := dsl.Any(dsl.All(append(out, dsl.Any(only(datasetFiles), dsl.All(only(datasetConn), unanswered())))...),
					dsl.All(back...))
				filters[strconv.Itoa(i)] = q
				should = append(should, q)
			}
			var a struct {
				Keys struct {
					Buckets map[string]betweenAnswer `json:"buckets"`
				} `json:"keys"`
			}
			err := f.search(ctx, "look up files and unanswered connections of networks", []any{dsl.Terms(fieldDataset, []string{datasetConn, datasetFiles}), dsl.Any(should...)},
				object{"keys": dsl.UnderEach(filters, betweenAggs(hunt.FactsTop))}, &a)
			if err != nil {
				return err
			}
			for _, i := range batch {
				b := a.Keys.Buckets[strconv.Itoa(i)]
				f.fillBetween(i, &b)
			}
			return nil
		})
	}
}

// betweenAnswer is what happened between two hosts.
type betweenAnswer struct {
	States struct {
		Count int64 `json:"doc_count"`
		By    terms `json:"by"`
		Ports struct {
			Buckets []struct {
				Key uint16 `json:"key"`
				By  terms  `json:"by"`
			} `json:"buckets"`
		} `json:"ports"`
	} `json:"states"`
	Files struct {
		By struct {
			Buckets []struct {
				Key   string `json:"key"`
				Count int64  `json:"doc_count"`
				Bytes struct {
					Value float64 `json:"value"`
				} `json:"bytes"`
			} `json:"buckets"`
		} `json:"by"`
	} `json:"files"`
}

func betweenAggs(ports int) object {
	states := termsOf(fieldState, 2, nil)
	return object{
		"states": dsl.Under(only(datasetConn), object{"by": states, "ports": within(fieldDstPort, ports, "by", states)}),
		"files":  dsl.Under(only(datasetFiles), object{"by": termsOf(fieldFileMIME, hunt.FactsTop, object{"bytes": object{"sum": object{"field": fieldFileBytes}}})}),
	}
}

// unanswered matches connections without an answer.
func unanswered() object { return dsl.Terms(fieldState, []string{"S0", "REJ"}) }

// fillBetween fills in what happened between a key's hosts. An unanswered connection carries no name and no
// fingerprint, so keys by these have none.
func (f *facts) fillBetween(i int, ways ...*betweenAnswer) {
	x, k := &f.book.Facts[i], &f.wanted[i]
	files := map[string]*hunt.Carried{}
	for n, w := range ways {
		if w == nil {
			continue
		}
		for _, m := range w.Files.By.Buckets {
			if files[m.Key] == nil {
				files[m.Key] = &hunt.Carried{MIME: m.Key}
			}
			files[m.Key].Count += m.Count
			files[m.Key].Bytes += int64(m.Bytes.Value)
		}
		states := w.States.By.Buckets
		if k.Kind() == "address" && !k.AnyPort {
			states = nil
			for _, p := range w.States.Ports.Buckets {
				if p.Key == k.Port {
					states = p.By.Buckets
				}
			}
		}
		if n > 0 || k.Kind() == "name" {
			states = nil
		}
		for _, s := range states {
			switch hunt.ParseState(s.Key, hunt.TransportUnknown) {
			case hunt.StateSilent:
				x.Silent = s.Count
			case hunt.StateRefused:
				x.Refused = s.Count
			case hunt.StateOther:
			}
		}
	}
	var list []hunt.Carried
	for _, c := range files {
		list = append(list, *c)
	}
	x.Files = hunt.TopCarried(list)
}

// addressed are those that are addresses; a key may have none.
func addressed(list []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { _, err := netip.ParseAddr(s); return err != nil })
}
