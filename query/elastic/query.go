package elastic

import (
	"net/netip"
	"strconv"
	"time"

	"dwell/internal/es/dsl"
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

type object = dsl.Object

// query builds the searches of one reading: all are the same but for the span.
type query struct {
	filter, mustNot, should []any
	sources                 []source
	// datasets are the wanted kinds of documents.
	datasets []string
	// also are fields that the query uses besides those of its sources.
	also []string
	// times requests the first and last time of each bucket.
	times bool
	// spare are sources that are left out if they cannot be aggregated, with what is then missing.
	spare map[string]string
}

// connQuery searches for connections. The scope is in the query, so that what is out of scope never leaves the server.
// Documents without one of the addresses are no connections and are left out of counts and pages alike.
func connQuery(scope hunt.Scope) query {
	q := scoped(scope)
	q.filter = append(q.filter, only(datasetConn))
	q.datasets, q.sources = []string{datasetConn}, connSources()
	return q
}

// scoped is the scope alone, for any kind of records.
func scoped(scope hunt.Scope) query {
	internal := insiders(&scope)
	never := cidrs(hunt.NeverDestination())
	in := func(field string) object { return dsl.Terms(field, internal) }
	between := func(inside, outside string) object {
		theirs := in(outside)
		if scope.SharedIsExternal() { // seen from other networks, 100.64.0.0/10 is external
			shared := hunt.SharedSpace().String()
			theirs = dsl.All(theirs, dsl.Not(dsl.All(dsl.Term(outside, shared), dsl.Not(dsl.Term(inside, shared)))))
		}
		return dsl.All(in(inside), dsl.Exists(outside), dsl.Not(theirs))
	}
	q := query{mustNot: []any{dsl.Terms(fieldDest, never)}}
	if scope.Only.Dst.IsValid() {
		q.filter = append(q.filter, dsl.Term(fieldDest, scope.Only.Dst))
	}
	if scope.Only.Src.IsValid() {
		q.filter = append(q.filter, dsl.Term(fieldSource, scope.Only.Src))
	}
	if len(scope.Proxies) > 0 {
		return query{filter: append(q.filter, in(fieldSource), dsl.Terms(fieldDest, scope.Proxies))}
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
	all := append([]any{between(from, to)}, q.filter...)
	if len(q.mustNot) > 0 {
		all = append(all, dsl.Not(q.mustNot...))
	}
	if len(q.should) > 0 {
		all = append(all, dsl.Any(q.should...))
	}
	return dsl.All(all...)
}

func between(from, to int64) object {
	return dsl.Millis(fieldTime, object{"gte": from, "lt": to})
}

// during matches what is in the window of a request.
func during(req hunt.Request) object { return between(req.From.UnixMilli(), req.To.UnixMilli()) }

// histogram requests the number of documents in each interval that has any.
func (q query) histogram(from, to int64, interval time.Duration) dsl.Search {
	return dsl.Search{Query: q.in(from, to), Aggs: object{"h": dsl.Histogram(fieldTime, fixed(interval), nil)},
		FilterPath: []string{"aggregations.h.buckets.key", "aggregations.h.buckets.doc_count"}}
}

// fixed writes an interval for fixed_interval.
func fixed(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// source is one of a composite's keys: a letter, the field, and whether records may lack it. The letters are short
// because every bucket repeats them; page.go and names.go read them.
type source struct {
	letter, field string
	optional      bool
}

// connSources are a connection's keys. Time comes first: comparisons of keys then mostly end after one number, and a
// page is sorted by time. source.port costs the server almost nothing and 10 bytes a bucket; it distinguishes
// connections of one millisecond and joins them with other logs.
func connSources() []source {
	return []source{
		{"t", fieldTime, false},
		{"s", fieldSource, false}, {"p", fieldSrcPort, true},
		{"d", fieldDest, false}, {"q", fieldDstPort, true},
		{"n", fieldTransport, true}, {"v", fieldService, true}, {"c", fieldState, true},
		{"u", fieldDuration, true},
		{"i", fieldOrigIP, true}, {"o", fieldOrig, true}, {"r", fieldResp, true},
	}
}

// page requests the records of [from, to) as buckets, at most size of them, after the given key (raw JSON) if any.
func (q query) page(from, to int64, size int, after []byte) dsl.Search {
	sources := make([]any, len(q.sources))
	for i, s := range q.sources {
		terms := object{"field": s.field}
		if s.optional {
			terms["missing_bucket"] = true
		}
		sources[i] = object{s.letter: object{"terms": terms}}
	}
	var times object
	if q.times {
		times = object{"f": dsl.Min(fieldTime), "l": dsl.Max(fieldTime)}
	}
	return dsl.Search{Query: q.in(from, to), Aggs: object{"c": dsl.Composite(size, sources, after, times)},
		FilterPath: []string{"aggregations.c.after_key", "aggregations.c.buckets"}}
}
