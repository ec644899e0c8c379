package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// most is the number of documents of one search.
const most = 10_000

// singly reads a slice document by document. A composite aggregation makes a bucket of each value of a list, so a
// record with a list instead of one value comes several times; here its first value counts, and all of its services.
// Documents cost more than buckets, so larger slices are cut, and only the parts that need it are read this way.
func (r *reading) singly(ctx context.Context, p *cells, s *slice, into rows) (parts []slice, err error) {
	if s.Expected > most/2 {
		if parts, err = r.refine(ctx, *s, most/4); err != nil || len(parts) > 1 {
			return parts, err
		}
		if s.Expected > most {
			return nil, nil // so many in one millisecond: the counts report it
		}
	}
	var fields []any
	for _, f := range r.query.sources {
		if f.field == fieldTime {
			fields = append(fields, startMillis())
			continue
		}
		fields = append(fields, f.field)
	}
	q := dsl.Search{Op: "read one by one " + r.many, Query: r.query.in(s.From, s.To), Size: most, Fields: fields, FilterPath: []string{"hits.hits.fields"}}
	var page []byte
	var several int64
	err = r.Search(ctx, q.Request(), func(res es.SearchResult) (err error) {
		page, several, err = r.buckets(res.Hits)
		return err
	})
	if err != nil {
		return nil, err
	}
	into.begin(int(min(s.Expected, most)))
	got, err := into.decode(p, page)
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	r.leftOut(p.odd)
	s.Read = got.Docs
	r.mu.Lock()
	r.several += several
	r.mu.Unlock()
	return nil, nil
}

// buckets writes documents as a page of buckets, one each. several is the number with more than one value where one is
// expected.
func (r *reading) buckets(hits []byte) (page []byte, several int64, err error) {
	var h struct {
		Hits []struct {
			Fields map[string][]json.RawMessage `json:"fields"`
		} `json:"hits"`
	}
	if len(hits) > 0 {
		if err := json.Unmarshal(hits, &h); err != nil {
			return nil, 0, err
		}
	}
	var b bytes.Buffer
	b.WriteString(`{"c":{"buckets":[`)
	written := 0
	for _, hit := range h.Hits {
		if r.query.lacks(hit.Fields) {
			continue // the counts report it
		}
		if written++; written > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`{"doc_count":1,"key":{`)
		list, first := false, true
		var at json.RawMessage
		for _, s := range r.query.sources {
			values := hit.Fields[s.field]
			list = list || len(values) > 1
			if len(values) == 0 {
				continue
			}
			v := values[0]
			switch {
			case s.field == fieldTime:
				v = bytes.Trim(v, `"`)
				at = v
			case s.field == fieldService && len(values) > 1:
				v = joined(values)
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			fmt.Fprintf(&b, "%q:%s", s.letter, v)
		}
		b.WriteByte('}')
		if r.query.times {
			if at == nil {
				at = bytes.Trim(firstOf(hit.Fields[fieldTime]), `"`)
			}
			fmt.Fprintf(&b, `,"f":{"value":%s},"l":{"value":%s}`, at, at)
		}
		b.WriteByte('}')
		if list {
			several++
		}
	}
	b.WriteString("]}}")
	return b.Bytes(), several, nil
}

// lacks says whether a document lacks a required value.
func (q *query) lacks(fields map[string][]json.RawMessage) bool {
	for _, s := range q.sources {
		if !s.optional && len(fields[s.field]) == 0 {
			return true
		}
	}
	return false
}

func firstOf(list []json.RawMessage) json.RawMessage {
	if len(list) == 0 {
		return json.RawMessage("0")
	}
	return list[0]
}

// joined writes a list of texts as Zeek writes a set: "ssl,http".
func joined(values []json.RawMessage) json.RawMessage {
	var texts []string
	for _, v := range values {
		var t string
		if json.Unmarshal(v, &t) == nil {
			texts = append(texts, t)
		}
	}
	b, _ := json.Marshal(strings.Join(texts, ",")) // a text always has a JSON form
	return b
}

// leftOut adds a page's impossible values.
func (r *reading) leftOut(odd map[byte]int64) {
	if len(odd) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for letter, n := range odd {
		r.odd[letter] += n
	}
}

// tellOdd reports once what was left out of records; mu is held.
func (r *reading) tellOdd() {
	for _, s := range r.query.sources {
		if n := r.odd[s.letter[0]]; n > 0 {
			r.notes = append(r.notes, hunt.Note{Where: strings.Join(r.place.asked, ","),
				What: fmt.Sprintf("%s have a value of %s that cannot be, and count without it", hunt.Many(n, "record"), s.field),
				Hint: "see what writes such documents: " + s.field + " is out of its range there"})
		}
	}
	if r.several > 0 {
		r.notes = append(r.notes, hunt.Note{Where: strings.Join(r.place.asked, ","),
			What: fmt.Sprintf("%s have a list where one value is expected; the first counts (of services, all)", hunt.Many(r.several, "record")),
			Hint: "see what writes such documents"})
	}
	clear(r.odd)
	r.several = 0
}
