package history

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// interval is a range of addresses, both ends included.
type interval struct{ low, high address }

// intervalOf is the range of a prefix.
func intervalOf(p netip.Prefix) (i interval) {
	i.low = p.Masked().Addr().As16()
	i.high = i.low
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for b := bits; b < 128; b++ {
		i.high[b/8] |= 0x80 >> (b % 8)
	}
	return i
}

func (i *interval) has(a *address) bool {
	return bytes.Compare(a[:], i.low[:]) >= 0 && bytes.Compare(a[:], i.high[:]) <= 0
}

// ordered sorts intervals and joins those that overlap.
func ordered(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int {
		return cmp.Or(bytes.Compare(a.low[:], b.low[:]), bytes.Compare(a.high[:], b.high[:]))
	})
	out := list[:0]
	for _, i := range list {
		if n := len(out); n > 0 && bytes.Compare(i.low[:], out[n-1].high[:]) <= 0 {
			if bytes.Compare(i.high[:], out[n-1].high[:]) > 0 {
				out[n-1].high = i.high
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// rows are some of a segment's rows, by number: [from, to).
type rows struct{ from, to int64 }

// within returns the rows in whose pages the first column, by which a segment is sorted, may be in one of the
// intervals, which ascend.
func within(p *parquet.File, wanted []interval) (out []rows, err error) {
	base := int64(0)
	for _, group := range p.RowGroups() {
		column := group.ColumnChunks()[0]
		bounds, err := column.ColumnIndex()
		if err != nil {
			return nil, err
		}
		places, err := column.OffsetIndex()
		if err != nil {
			return nil, err
		}
		for i, n := 0, bounds.NumPages(); i < n; i++ {
			low, high := bounds.MinValue(i).ByteArray(), bounds.MaxValue(i).ByteArray()
			at, _ := slices.BinarySearchFunc(wanted, low, func(w interval, a []byte) int { return bytes.Compare(w.high[:], a) })
			if at == len(wanted) || bytes.Compare(wanted[at].low[:], high) > 0 {
				continue
			}
			r := rows{base + places.FirstRowIndex(i), base + group.NumRows()}
			if i+1 < n {
				r.to = base + places.FirstRowIndex(i+1)
			}
			out = appendRows(out, r, 0)
		}
		base += group.NumRows()
	}
	return out, nil
}

// appendRows appends rows, and joins them with the last ones if at most this many are between.
func appendRows(list []rows, r rows, apart int64) []rows {
	if n := len(list); n > 0 && r.from-list[n-1].to <= apart {
		list[n-1].to = r.to
		return list
	}
	return append(list, r)
}
