package elastic

import (
	"context"
	"slices"
	"strconv"

	"dwell/internal/hunt"
)

// betweenBatch keys go into one search, with two states and FactsTop types at most a bucket each.
const betweenBatch = 100

// between looks at what happened between two machines in records that carry no names: connections without an answer, and files.
func (f *facts) between() {
	var at []int
	for i, k := range f.wanted {
		if k.DNS == "" && (k.Dst.IsValid() || k.Network.IsValid()) {
			at = append(at, i)
		}
	}
	aggs := object{
		"states": object{"filter": only(datasetConn), "aggs": object{"by": termsOf(fieldState, 2, nil)}},
		"files":  object{"filter": only(datasetFiles), "aggs": object{"by": termsOf(fieldFileMIME, hunt.FactsTop, object{"bytes": object{"sum": object{"field": fieldFileBytes}}})}},
	}
	for batch := range slices.Chunk(at, betweenBatch) {
		f.ask(func(ctx context.Context) error {
			filters, should := object{}, []any{}
			for _, i := range batch {
				q := anyOf(append(carried(f.wanted[i]), unanswered(f.wanted[i])...))
				filters[strconv.Itoa(i)] = q
				should = append(should, q)
			}
			var a struct {
				Keys struct {
					Buckets map[string]struct {
						States struct {
							By terms `json:"by"`
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
					} `json:"buckets"`
				} `json:"keys"`
			}
			err := f.search(ctx, "look up files and unanswered connections", 0, []any{object{"terms": object{fieldDataset: []string{datasetConn, datasetFiles}}}, anyOf(should)},
				object{"aggs": object{"keys": object{"filters": object{"filters": filters}, "aggs": aggs}}}, answerInto(&a))
			if err != nil {
				return err
			}
			for _, i := range batch {
				b, x := a.Keys.Buckets[strconv.Itoa(i)], &f.book.Facts[i]
				for _, s := range b.States.By.Buckets {
					switch hunt.ParseState(s.Key) {
					case hunt.StateSilent:
						x.Silent = s.Count
					case hunt.StateRefused:
						x.Refused = s.Count
					case hunt.StateOther:
					}
				}
				var files []hunt.Carried
				for _, m := range b.Files.By.Buckets {
					files = append(files, hunt.Carried{MIME: m.Key, Count: m.Count, Bytes: int64(m.Bytes.Value)})
				}
				x.Files = hunt.TopCarried(files)
			}
			return nil
		})
	}
}

func anyOf(should []any) object {
	return object{"bool": object{"should": should, "minimum_should_match": 1}}
}

func is(field string, value any) object { return object{"term": object{field: value}} }

// otherSide is the address or the network of a key.
func otherSide(k hunt.PairKey) any {
	if k.Network.IsValid() && k.Name == "" {
		return k.Network
	}
	return k.Dst
}

// carried matches the files that went between a key's two machines: such a record has the sender as its source, and no port.
func carried(k hunt.PairKey) []any {
	way := func(from, to any) object {
		return object{"bool": object{"filter": []any{only(datasetFiles), is(fieldSource, from), is(fieldDest, to)}}}
	}
	return []any{way(k.Src, otherSide(k)), way(otherSide(k), k.Src)}
}

// unanswered matches a key's connections without an answer. A key by name or fingerprint has none: nothing is said in them.
func unanswered(k hunt.PairKey) []any {
	if kind := k.Kind(); kind != "address" && kind != "network" {
		return nil
	}
	filter := []any{only(datasetConn), object{"terms": object{fieldState: []string{"S0", "REJ"}}}, is(fieldSource, k.Src), is(fieldDest, otherSide(k))}
	if !k.AnyPort {
		filter = append(filter, is(fieldDstPort, k.Port))
	}
	return []any{object{"bool": object{"filter": filter}}}
}
