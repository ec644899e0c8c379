package elastic

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// rolled matches the records of a roll-up: by network or by fingerprint.
func rolled(k hunt.PairKey) object {
	filter := []any{dsl.Term(fieldSource, k.Src)}
	if k.Fingerprint.IsUnshared() {
		return object{"match_none": object{}} // only the hunt knows its destinations
	}
	if k.Kind() == "fingerprint" {
		return shows(k, filter)
	}
	return dsl.All(append(filter, dsl.Term(fieldDest, k.Network))...)
}

// shows matches the TLS records of a roll-up by fingerprint, narrowed by further filters.
func shows(k hunt.PairKey, filter []any) object {
	filter = append(filter, dsl.Term(fieldDataset, datasetTLS), dsl.Term(fieldDstPort, k.Port))
	absent := []any{}
	switch k.Fingerprint.Kind {
	case hunt.JA4:
		filter = append(filter, dsl.Term(fieldJA4, k.Fingerprint.Value))
	case hunt.JA3:
		filter = append(filter, dsl.Term(fieldJA3, k.Fingerprint.Value))
		absent = append(absent, dsl.Exists(fieldJA4))
	default:
		for _, field := range []string{fieldServerName, fieldJA4, fieldJA3} {
			absent = append(absent, dsl.All(dsl.Exists(field), dsl.Not(dsl.Term(field, ""))))
		}
	}
	return object{"bool": object{"filter": filter, "must_not": absent}}
}

// keyAnswer is the answer for one key.
type keyAnswer struct {
	TLS    tlsAnswer  `json:"tls"`
	HTTP   httpAnswer `json:"http"`
	Weird  terms      `json:"weird"`
	Notice terms      `json:"notice"`
	Intel  terms      `json:"intel"`
}

type tlsAnswer struct {
	Count  int64 `json:"doc_count"`
	NoName struct {
		Count int64 `json:"doc_count"`
	} `json:"noname"`
	Names    terms   `json:"names"`
	Values   columns `json:"values"`
	JA3      terms   `json:"ja3"`
	JA4      terms   `json:"ja4"`
	Subjects terms   `json:"subjects"`
	Chain    terms   `json:"chain"`
}

type httpAnswer struct {
	Count  int64 `json:"doc_count"`
	NoHost struct {
		Count int64 `json:"doc_count"`
	} `json:"nohost"`
	Hosts  terms   `json:"hosts"`
	Values columns `json:"values"`
	Agents terms   `json:"agents"`
	URIs   terms   `json:"uris"`
}

func top(field string) object { return termsOf(field, hunt.FactsTop, nil) }

func tlsAggs() object {
	return object{"noname": lacks(fieldServerName), "names": top(fieldServerName), "values": columnAggs("ssl"), "ja3": top(fieldJA3), "ja4": top(fieldJA4),
		"chain": top(fieldChain), "subjects": termsOf(fieldSubject, hunt.FactsTop, object{"sub": termsOf(fieldIssuer, 1, nil)})}
}

func httpAggs() object {
	return object{"nohost": lacks(fieldHost), "hosts": top(fieldHost), "values": columnAggs("http"), "agents": top(fieldAgent),
		"uris": termsOf(fieldURI, hunt.FactsTop, object{"sub": top(hunt.Columns()[hunt.BodyTypes].Field)})}
}

// columns are the counted values of one log's hunt.Columns, by their places there.
type columns map[int]*terms

func columnAggs(log string) object {
	aggs := object{}
	for i, c := range hunt.Columns() {
		if c.Log == log {
			aggs[strconv.Itoa(i)] = top(c.Field)
		}
	}
	return dsl.Under(object{"match_all": object{}}, aggs)
}

// UnmarshalJSON reads the aggregations among other values.
func (c *columns) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	*c = columns{}
	for name, raw := range members {
		i, err := strconv.Atoi(name)
		if err != nil {
			continue // doc_count
		}
		t := &terms{}
		if err := json.Unmarshal(raw, t); err != nil {
			return err
		}
		(*c)[i] = t
	}
	return nil
}

// add joins two spellings of one name.
func (c *columns) add(o columns) {
	if *c == nil {
		*c = columns{}
	}
	for i, t := range o {
		if (*c)[i] == nil {
			(*c)[i] = &terms{}
		}
		(*c)[i].add(t)
	}
}

func (c columns) fill(f *hunt.Facts) {
	for i, t := range c {
		f.Values[i] = t.counted()
	}
}

// remarkAggs are what Zeek itself reports.
func remarkAggs() object {
	return object{"weird": top(fieldWeird), "notice": top(fieldNotice), "intel": intelAgg()}
}

func intelAgg() object {
	return termsOf(fieldIndicator, hunt.FactsTop, object{"sub": termsOf(fieldIntelType, 1, nil), "other": top(fieldIntelLists)})
}

// keyAggs are all aggregations of a keyAnswer.
func keyAggs() object {
	aggs := remarkAggs()
	aggs["tls"] = dsl.Under(only(datasetTLS), tlsAggs())
	aggs["http"] = dsl.Under(only(datasetHTTP), httpAggs())
	return aggs
}

// spoken are the logs that are searched for keys.
func spoken() object {
	return dsl.Terms(fieldDataset, []string{datasetTLS, datasetHTTP, datasetWeird, datasetNotice, datasetIntel})
}

// rollUps looks at the records of roll-ups, which are few: each with its own filter.
func (f *facts) rollUps() {
	for batch := range slices.Chunk(f.ofKind("network", "fingerprint"), factsBatch) {
		f.ask(func(ctx context.Context) error {
			filters, should := object{}, []any{}
			for _, i := range batch {
				q := rolled(f.wanted[i])
				filters[strconv.Itoa(i)] = q
				should = append(should, q)
			}
			var a struct {
				Keys struct {
					Buckets map[string]keyAnswer `json:"buckets"`
				} `json:"keys"`
			}
			err := f.search(ctx, "look up what roll-ups say", []any{spoken(), dsl.Any(should...)},
				object{"keys": dsl.UnderEach(filters, keyAggs())}, &a)
			if err != nil {
				return err
			}
			for _, i := range batch { // each batch has its own keys
				b := a.Keys.Buckets[strconv.Itoa(i)]
				f.fill(i, &b)
			}
			return nil
		})
	}
}

// ofKind are the indices of the keys of some kinds, those with the same destination together.
func (f *facts) ofKind(kinds ...string) []int {
	var at []int
	for i := range f.wanted {
		if slices.Contains(kinds, f.wanted[i].Kind()) {
			at = append(at, i)
		}
	}
	slices.SortFunc(at, func(i, j int) int {
		a, b := &f.wanted[i], &f.wanted[j]
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Dst.Compare(b.Dst), a.Src.Compare(b.Src), cmp.Compare(a.Port, b.Port))
	})
	return at
}

// fill writes one key's facts.
func (f *facts) fill(i int, b *keyAnswer) {
	f.fillTLS(i, &b.TLS)
	f.fillHTTP(i, &b.HTTP)
	f.fillRemarks(i, b)
}

// hosts counts hosts in one form, and the empty ones.
func (t terms) hosts() (list []hunt.Counted, empty int64) {
	counts := map[string]int64{}
	for _, b := range t.Buckets {
		if name := hunt.HostName(b.Key); name != "" {
			counts[name] += b.Count
		} else {
			empty += b.Count
		}
	}
	return hunt.Top(counts), empty
}

func (f *facts) fillTLS(i int, b *tlsAnswer) {
	t := &f.book.Facts[i].TLS
	var none int64
	t.Records = b.Count
	t.Names, none = b.Names.hosts()
	t.NoName = b.NoName.Count + none
	t.JA3, t.JA4 = b.JA3.traits(), b.JA4.traits()
	b.Values.fill(&f.book.Facts[i])
	t.Certificates = nil
	for _, s := range b.Subjects.Buckets {
		c := hunt.Certificate{Subject: s.Key, NotBefore: hunt.Absent, NotAfter: hunt.Absent, Count: s.Count}
		if len(s.Sub.Buckets) > 0 {
			c.Issuer = s.Sub.Buckets[0].Key
		}
		t.Certificates = append(t.Certificates, c)
	}
	f.chains[i] = map[string]int64{}
	for _, c := range b.Chain.Buckets {
		f.chains[i][c.Key] = c.Count
	}
}

func (f *facts) fillHTTP(i int, b *httpAnswer) {
	h := &f.book.Facts[i].HTTP
	var none int64
	h.Requests = b.Count
	h.Hosts, none = b.Hosts.hosts()
	h.NoHost = b.NoHost.Count + none
	h.Agents = b.Agents.traits()
	b.Values.fill(&f.book.Facts[i])
	uris, contents := map[string]int64{}, map[hunt.Content]int64{}
	for _, u := range b.URIs.Buckets {
		uris[u.Key] = u.Count
		for _, m := range u.Sub.Buckets {
			contents[hunt.Content{URI: u.Key, MIME: m.Key}] = m.Count
		}
	}
	h.Contents = hunt.TopContents(uris, contents)
}

func (f *facts) fillRemarks(i int, b *keyAnswer) {
	f.book.Facts[i].Weird, f.book.Facts[i].Notices = b.Weird.counted(), b.Notice.counted()
	f.book.Facts[i].Intel = seenBy(b.Intel)
}

func (t terms) counted() []hunt.Counted {
	counts := map[string]int64{}
	for _, b := range t.Buckets {
		if b.Key != "" {
			counts[b.Key] = b.Count
		}
	}
	return hunt.Top(counts)
}

func (t terms) traits() []hunt.Trait {
	var out []hunt.Trait
	for _, c := range t.counted() {
		out = append(out, hunt.Trait{Counted: c})
	}
	return out
}
