package elastic

import (
	"encoding/json"
	"net/netip"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// The fields of a zeek.conn document that are read, under short names.
const (
	fieldTime      = securityonion.FieldTimestamp
	fieldDataset   = securityonion.FieldDataset
	fieldDuration  = securityonion.FieldDuration
	fieldSource    = securityonion.FieldSourceIP
	fieldSrcPort   = securityonion.FieldSourcePort
	fieldDest      = securityonion.FieldDestinationIP
	fieldDstPort   = securityonion.FieldDestinationPort
	fieldTransport = securityonion.FieldTransport
	fieldService   = securityonion.FieldProtocol
	fieldOrigIP    = securityonion.FieldClientIPBytes
	fieldOrig      = securityonion.FieldClientBytes
	fieldResp      = securityonion.FieldServerBytes
	datasetConn    = "zeek.conn"
)

type object = map[string]any

// query builds the searches of one reading: everything but the span is the same in all of them.
type query struct {
	filter, mustNot, should []any
	sources                 []source
	// datasets are the kinds of documents that are asked for.
	datasets []string
	// also are fields that the query asks about beside those of its sources.
	also []string
	// times asks for the first and last time of each bucket.
	times bool
	// spare are sources that are left out where they cannot be aggregated, with what is then missing.
	spare map[string]string
}

// connQuery asks for connections. It puts the scope into the query, so that what is out of scope never leaves the server. Documents without
// one of the addresses are no connections and are left out of counts and pages alike.
func connQuery(scope hunt.Scope) query {
	q := scoped(scope)
	q.filter = append(q.filter, object{"term": object{fieldDataset: datasetConn}})
	q.datasets, q.sources = []string{datasetConn}, connSources()
	return q
}

// scoped is the scope alone, whatever kind of records.
func scoped(scope hunt.Scope) query {
	internal := insiders(&scope)
	never := cidrs(hunt.NeverDestination())
	in := func(field string) object { return object{"terms": object{field: internal}} }
	between := func(inside, outside string) object {
		theirs := in(outside)
		if scope.SharedOutside() { // seen from other networks, 100.64.0.0/10 is outside
			shared := hunt.SharedSpace().String()
			theirs = object{"bool": object{"filter": []any{theirs}, "must_not": []any{object{"bool": object{
				"filter": []any{object{"term": object{outside: shared}}}, "must_not": []any{object{"term": object{inside: shared}}}}}}}}
		}
		return object{"bool": object{"filter": []any{in(inside), object{"exists": object{"field": outside}}}, "must_not": []any{theirs}}}
	}
	q := query{mustNot: []any{object{"terms": object{fieldDest: never}}}}
	if scope.Only.Dst.IsValid() {
		q.filter = append(q.filter, object{"term": object{fieldDest: scope.Only.Dst}})
	}
	if scope.Only.Src.IsValid() {
		q.filter = append(q.filter, object{"term": object{fieldSource: scope.Only.Src}})
	}
	if len(scope.Proxies) > 0 {
		return query{filter: append(q.filter, in(fieldSource), object{"terms": object{fieldDest: scope.Proxies}})}
	}
	switch scope.Direction {
	case hunt.Outbound:
		q.filter = append(q.filter, between(fieldSource, fieldDest))
	case hunt.Inbound:
		q.filter = append(q.filter, between(fieldDest, fieldSource))
	case hunt.Both:
		q.should = []any{between(fieldSource, fieldDest), between(fieldDest, fieldSource)}
	}
	return q
}

func cidrs(ps []netip.Prefix) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.String()
	}
	return out
}

// in is the query over [from, to), Unix milliseconds.
func (q query) in(from, to int64) object {
	b := object{"filter": append([]any{between(from, to)}, q.filter...), "must_not": q.mustNot}
	if len(q.should) > 0 {
		b["should"], b["minimum_should_match"] = q.should, 1
	}
	return object{"bool": b}
}

func between(from, to int64) object {
	return object{"range": object{fieldTime: object{"gte": from, "lt": to, "format": "epoch_millis"}}}
}

// count asks for the number of documents and nothing else.
func count(query object) []byte {
	return body(object{"size": 0, "track_total_hits": true, "query": query})
}

// histogram asks for the number of documents in each interval that has any.
func (q query) histogram(from, to int64, interval time.Duration) []byte {
	return body(object{"size": 0, "track_total_hits": false, "query": q.in(from, to), "aggs": object{
		"h": object{"date_histogram": object{"field": fieldTime, "fixed_interval": fixed(interval), "min_doc_count": 1}},
	}})
}

// fixed writes an interval the way fixed_interval wants it.
func fixed(d time.Duration) string {
	ms, _ := json.Marshal(d.Milliseconds())
	return string(ms) + "ms"
}

// source is one of a composite's keys: a letter, the field and whether records may lack it. The letters are short because
// they are repeated in every bucket; page.go and names.go read them.
type source struct {
	letter, field string
	optional      bool
}

// connSources are a connection's keys. Time comes first: comparing keys then mostly ends after one number, and a page is
// in order of time. source.port costs nothing to speak of on the server and 10 bytes a bucket; it is read to tell
// connections of one millisecond apart and to join them with other logs.
func connSources() []source {
	return []source{
		{"t", fieldTime, false},
		{"s", fieldSource, false}, {"p", fieldSrcPort, true},
		{"d", fieldDest, false}, {"q", fieldDstPort, true},
		{"n", fieldTransport, true}, {"v", fieldService, true},
		{"u", fieldDuration, true},
		{"i", fieldOrigIP, true}, {"o", fieldOrig, true}, {"r", fieldResp, true},
	}
}

// page asks for the records of [from, to) as buckets, at most size of them, after the given key (raw JSON) if any.
func (q query) page(from, to int64, size int, after []byte) []byte {
	sources := make([]any, len(q.sources))
	for i, s := range q.sources {
		terms := object{"field": s.field}
		if s.optional {
			terms["missing_bucket"] = true
		}
		sources[i] = object{s.letter: object{"terms": terms}}
	}
	composite := object{"size": size, "sources": sources}
	if after != nil {
		composite["after"] = json.RawMessage(after)
	}
	buckets := object{"composite": composite}
	if q.times {
		buckets["aggs"] = object{"f": object{"min": object{"field": fieldTime}}, "l": object{"max": object{"field": fieldTime}}}
	}
	return body(object{"size": 0, "track_total_hits": false, "query": q.in(from, to), "aggs": object{"c": buckets}})
}

// body encodes what is made of plain values only, which cannot go wrong.
func body(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic("elastic: encode a request: " + err.Error())
	}
	return b
}
