package history

import (
	"errors"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// column fills one field of rows from pages. Making rows by reflection costs four times the processor time.
type column[T any] interface {
	name() string
	// load reads a page; take fills rows from it and returns how many it had values for.
	load(parquet.Page) error
	take(rows []T) int
}

// field is a column with one value a row. V is the value as Parquet stores it.
type field[T, V any] struct {
	title string
	set   func(*T, V)
	// values are those of a page or a dictionary: the page's own memory, or scratch space.
	values func(*encoding.Values, []V) []V

	page  parquet.Page
	at    int
	here  []V
	room  []V
	index []int32 // an index of here, if the page has a dictionary
	known parquet.Dictionary
	dict  []V
}

func (f *field[T, V]) name() string { return f.title }

func (f *field[T, V]) load(p parquet.Page) error {
	parquet.Release(f.page)
	f.page, f.at = p, 0
	data := p.Data()
	d := p.Dictionary()
	if d == nil {
		f.room = f.values(&data, f.room)
		f.here, f.index = f.room, nil
		return nil
	}
	if d != f.known {
		all := d.Page().Data()
		f.known, f.dict = d, f.values(&all, nil)
	}
	f.here, f.index = f.dict, data.Int32()
	return nil
}

func (f *field[T, V]) take(rows []T) int {
	if f.index != nil {
		n := min(len(rows), len(f.index)-f.at)
		for i, place := range f.index[f.at : f.at+n] {
			f.set(&rows[i], f.here[place])
		}
		f.at += n
		return n
	}
	n := min(len(rows), len(f.here)-f.at)
	for i, v := range f.here[f.at : f.at+n] {
		f.set(&rows[i], v)
	}
	f.at += n
	return n
}

func addressColumn[T any](title string, set func(*T, address)) column[T] {
	return &field[T, address]{title: title, set: set, values: func(v *encoding.Values, out []address) []address {
		data, _ := v.FixedLenByteArray()
		n := len(data) / len(address{})
		out = slices.Grow(out[:0], n)[:n]
		for i := range out {
			out[i] = address(data[i*len(address{}):])
		}
		return out
	}}
}

func integerColumn[T any](title string, set func(*T, int64)) column[T] {
	return &field[T, int64]{title: title, set: set, values: func(v *encoding.Values, _ []int64) []int64 { return v.Int64() }}
}

// smallColumn has numbers of 8 and 16 bits, which Parquet stores with 32.
func smallColumn[T any](title string, set func(*T, uint32)) column[T] {
	return &field[T, uint32]{title: title, set: set, values: func(v *encoding.Values, _ []uint32) []uint32 { return v.Uint32() }}
}

func textColumn[T any](title string, set func(*T, string)) column[T] {
	return &field[T, string]{title: title, set: set, values: textsOf}
}

// textsOf copies texts one by one, so that a kept text does not keep the others.
func textsOf(v *encoding.Values, out []string) []string {
	data, offsets := v.ByteArray()
	n := max(len(offsets), 1) - 1
	out = slices.Grow(out[:0], n)[:n]
	for i := range out {
		out[i] = string(data[offsets[i]:offsets[i+1]])
	}
	return out
}

// flags is a column of booleans. Only a page's own reader knows at which bit it begins.
type flags[T any] struct {
	title  string
	set    func(*T, bool)
	page   parquet.Page
	values []parquet.Value
	at     int
}

func (f *flags[T]) name() string { return f.title }

func (f *flags[T]) load(p parquet.Page) error {
	parquet.Release(f.page)
	f.page, f.at = p, 0
	f.values = slices.Grow(f.values[:0], int(p.NumValues()))[:p.NumValues()]
	n, _ := p.Values().ReadValues(f.values) // Its error is the end of the page.
	f.values = f.values[:n]
	return nil
}

func (f *flags[T]) take(rows []T) int {
	n := min(len(rows), len(f.values)-f.at)
	for i := range n {
		f.set(&rows[i], f.values[f.at+i].Boolean())
	}
	f.at += n
	return n
}

// lists is a column with any number of texts a row. A row does not cross a page's end.
type lists[T any] struct {
	field[T, string]
	put    func(*T, []string)
	levels []byte // of repetition: 0 begins a row
	known  []byte // of definition: 0 is an empty list
	level  int
}

func listColumn[T any](title string, put func(*T, []string)) column[T] {
	return &lists[T]{field: field[T, string]{title: title, values: textsOf}, put: put}
}

func (l *lists[T]) load(p parquet.Page) error {
	if err := l.field.load(p); err != nil {
		return err
	}
	l.levels, l.known, l.level = p.RepetitionLevels(), p.DefinitionLevels(), 0
	if len(l.levels) != len(l.known) || len(l.levels) > 0 && l.levels[0] != 0 {
		return errors.New("a list crosses the end of a page")
	}
	return nil
}

func (l *lists[T]) take(rows []T) (n int) {
	for ; n < len(rows) && l.level < len(l.levels); n++ {
		var list []string
		for begins := true; l.level < len(l.levels) && (begins || l.levels[l.level] != 0); begins = false {
			if l.known[l.level] != 0 {
				at := l.at
				if l.at++; l.index != nil {
					at = int(l.index[at])
				}
				list = append(list, l.here[at])
			}
			l.level++
		}
		l.put(&rows[n], list)
	}
	return n
}

func (*connection) columns() []column[connection] {
	type r = connection
	return []column[r]{
		addressColumn("source_ip", func(r *r, v address) { r.Source = v }),
		addressColumn("destination_ip", func(r *r, v address) { r.Destination = v }),
		smallColumn("destination_port", func(r *r, v uint32) { r.DestinationPort = uint16(v) }),
		smallColumn("transport", func(r *r, v uint32) { r.Transport = uint8(v) }),
		integerColumn("start", func(r *r, v int64) { r.Start = v }),
		smallColumn("source_port", func(r *r, v uint32) { r.SourcePort = uint16(v) }),
		integerColumn("duration", func(r *r, v int64) { r.Duration = v }),
		integerColumn("orig_ip_bytes", func(r *r, v int64) { r.OrigIPBytes = v }),
		integerColumn("orig_bytes", func(r *r, v int64) { r.OrigBytes = v }),
		integerColumn("resp_bytes", func(r *r, v int64) { r.RespBytes = v }),
		textColumn("service", func(r *r, v string) { r.Service = v }),
		smallColumn("state", func(r *r, v uint32) { r.State = uint8(v) }),
		&flags[r]{title: "open", set: func(r *r, v bool) { r.Open = v }},
		&flags[r]{title: "proxied", set: func(r *r, v bool) { r.Proxied = v }},
		integerColumn("count", func(r *r, v int64) { r.Count = v }),
	}
}

func (*name) columns() []column[name] {
	type r = name
	return []column[r]{
		addressColumn("source_ip", func(r *r, v address) { r.Source = v }),
		addressColumn("destination_ip", func(r *r, v address) { r.Destination = v }),
		smallColumn("destination_port", func(r *r, v uint32) { r.DestinationPort = uint16(v) }),
		integerColumn("start", func(r *r, v int64) { r.Start = v }),
		smallColumn("source_port", func(r *r, v uint32) { r.SourcePort = uint16(v) }),
		textColumn("name", func(r *r, v string) { r.Name = v }),
		smallColumn("kind", func(r *r, v uint32) { r.Kind = uint8(v) }),
		smallColumn("asked_port", func(r *r, v uint32) { r.Port = uint16(v) }),
		textColumn("fingerprint", func(r *r, v string) { r.Fingerprint = v }),
		integerColumn("count", func(r *r, v int64) { r.Count = v }),
	}
}

func (*query) columns() []column[query] {
	type r = query
	return []column[r]{
		addressColumn("client_ip", func(r *r, v address) { r.Client = v }),
		addressColumn("resolver_ip", func(r *r, v address) { r.Resolver = v }),
		integerColumn("start", func(r *r, v int64) { r.Start = v }),
		textColumn("query", func(r *r, v string) { r.Query = v }),
		textColumn("type", func(r *r, v string) { r.Type = v }),
		listColumn("answers", func(r *r, v []string) { r.Answers = v }),
		integerColumn("count", func(r *r, v int64) { r.Count = v }),
	}
}
