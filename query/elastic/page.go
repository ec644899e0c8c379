package elastic

import (
	"errors"
	"fmt"
	"net/netip"

	"dwell/internal/es/scan"
	"dwell/internal/hunt"
)

// cells reads the keys of composite answers. It keeps repeated values (names of services, hosts, IPv6 addresses), so
// that a bucket allocates nothing. Not safe for concurrent use: each worker has its own.
type cells struct {
	scan  scan.Scanner
	texts map[string]string
	hosts map[string]string
	addrs map[string]netip.Addr
	after []byte
	// within and sensor are a bucket's, see seenRow.
	within int64
	sensor string
	// odd counts, by the letter of the field, the page's impossible values, which were left out.
	odd map[byte]int64
}

// maxInterned bounds what is kept; beyond it, cells starts over.
const maxInterned = 1 << 16

func newCells() *cells {
	return &cells{texts: make(map[string]string), hosts: make(map[string]string), addrs: make(map[string]netip.Addr), odd: make(map[byte]int64)}
}

// pageResult is the content of one page.
type pageResult struct {
	// Buckets is the number of rows appended, Docs the number of their records.
	Buckets int
	Docs    int64
	// After is the key to continue from, nil at the end; valid until the next page is decoded.
	After []byte
}

// row makes a T of a bucket.
type row[T any] struct {
	// key reads a bucket's key into a zero T and says whether all required fields were there.
	key func(*cells, *T) bool
	// count takes the number of equal records.
	count func(*T, int64)
	// times, if set, takes the first and last time of those records, Unix milliseconds; the query must request them.
	times func(row *T, first, last int64)
}

// decode appends the rows of an answer's raw aggregations to into. Anything after them is an error.
func (w row[T]) decode(p *cells, aggregations []byte, into []T) ([]T, pageResult, error) {
	var res pageResult
	found := false
	clear(p.odd)
	s := &p.scan
	s.Reset(aggregations)
	s.Object()
	for k, ok := s.Key(); ok; k, ok = s.Key() {
		if string(k) != "c" {
			s.Skip()
			continue
		}
		s.Object()
		for k, ok := s.Key(); ok; k, ok = s.Key() {
			switch string(k) {
			case "after_key":
				p.after = append(p.after[:0], s.Raw()...)
				res.After = p.after
			case "buckets":
				found = true
				into = w.buckets(p, into, &res)
			default:
				s.Skip()
			}
		}
	}
	if s.End() && !found {
		s.Fail(errors.New("no buckets in the answer"))
	}
	if err := s.Err(); err != nil {
		return into, res, fmt.Errorf("page of buckets: %w", err)
	}
	return into, res, nil
}

func (w row[T]) buckets(p *cells, into []T, res *pageResult) []T {
	s := &p.scan
	s.Array()
	for s.Elem() {
		var zero T
		into = append(into, zero)
		c := &into[len(into)-1]
		keyed, n, first, last := false, int64(0), int64(0), int64(0)
		s.Object()
		for k, ok := s.Key(); ok; k, ok = s.Key() {
			switch string(k) {
			case "key":
				keyed = w.key(p, c)
			case "doc_count":
				n = s.Int()
			case "f":
				first = p.value()
			case "l":
				last = p.value()
			default:
				s.Skip()
			}
		}
		if s.Err() == nil && (!keyed || n < 1 || w.times != nil && (first == 0 || last < first)) {
			s.Fail(errors.New("a bucket lacks its time, its addresses or its count"))
		}
		if s.Err() != nil {
			return into[:len(into)-1]
		}
		w.count(c, n)
		if w.times != nil {
			w.times(c, first, last)
		}
		res.Buckets++
		res.Docs += n
	}
	return into
}

// value reads the answer of an aggregation that is one number: whole, in floating-point notation.
func (p *cells) value() (n int64) {
	s := &p.scan
	s.Object()
	for k, ok := s.Key(); ok; k, ok = s.Key() {
		if string(k) == "value" && !s.Null() {
			n = s.Scaled() / 1000
		} else {
			s.Skip()
		}
	}
	return n
}

// connection makes a connection of a bucket of connSources.
func connection() row[hunt.Connection] {
	return row[hunt.Connection]{key: (*cells).connection, count: func(c *hunt.Connection, n int64) { c.Count = n }}
}

// connection reads a bucket's key. The letters are those of connSources.
func (p *cells) connection(c *hunt.Connection) bool {
	c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = hunt.Absent, hunt.Absent, hunt.Absent, hunt.Absent
	s := &p.scan
	timed, state := false, []byte(nil)
	s.Object()
	for k, ok := s.Key(); ok; k, ok = s.Key() {
		if s.Null() {
			continue
		}
		if len(k) != 1 {
			s.Skip()
			continue
		}
		switch k[0] {
		case 't':
			c.Start, timed = s.Int(), true
		case 's':
			c.Src = p.addr(s.Text())
		case 'd':
			c.Dst = p.addr(s.Text())
		case 'p':
			c.SrcPort = p.port('p')
		case 'q':
			c.DstPort = p.port('q')
		case 'n':
			c.Proto = hunt.ParseTransport(s.Text())
		case 'c':
			state = s.Text()
		case 'v':
			c.Service = p.text(s.Text())
		case 'u':
			c.Duration = p.number('u', 1000, maxDuration)
		case 'i':
			c.OrigIPBytes = p.number('i', 1, maxSize)
		case 'o':
			c.OrigBytes = p.number('o', 1, maxSize)
		case 'r':
			c.RespBytes = p.number('r', 1, maxSize)
		default:
			s.Skip()
		}
	}
	c.State = hunt.ParseState(state, c.Proto)
	return timed && c.Src.IsValid() && c.Dst.IsValid()
}

const (
	// maxDuration is longer than any connection, milliseconds, and maxSize more than any can carry, bytes. Larger
	// values are impossible, and would spoil every sum.
	maxDuration = 10 * 365 * 24 * 3600 * 1000
	maxSize     = 1 << 50
)

// number reads the value of a field. An impossible one is left out and counted, and costs nothing else of its record.
func (p *cells) number(letter byte, times, most int64) int64 {
	n, ok := p.scan.Number(times)
	if !ok || n < 0 || n > most {
		p.odd[letter]++
		return hunt.Absent
	}
	return n
}

func (p *cells) port(letter byte) uint16 { return uint16(max(0, p.number(letter, 1, 65535))) }

func (p *cells) text(b []byte) string {
	if s, ok := p.texts[string(b)]; ok {
		return s
	}
	if len(p.texts) >= maxInterned {
		clear(p.texts)
	}
	s := string(b)
	p.texts[s] = s
	return s
}

// addr reads an address as the server writes it. IPv4 is parsed here; IPv6 is rarer and kept.
func (p *cells) addr(b []byte) netip.Addr {
	if p.scan.Err() != nil {
		return netip.Addr{}
	}
	if a, ok := ipv4(b); ok {
		return a
	}
	if a, ok := p.addrs[string(b)]; ok {
		return a
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil || a.Zone() != "" {
		p.scan.Fail(errors.New("an address that is none"))
		return netip.Addr{}
	}
	if len(p.addrs) >= maxInterned {
		clear(p.addrs)
	}
	p.addrs[string(b)] = a.Unmap()
	return a.Unmap()
}

// ipv4 reads four decimals of up to three digits.
func ipv4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	i := 0
	for part := range a {
		n, digits := 0, 0
		for ; i < len(b) && digits < 4; i++ {
			d := b[i] - '0'
			if d > 9 {
				break
			}
			n = n*10 + int(d)
			digits++
		}
		if digits == 0 || n > 255 || digits > 1 && b[i-digits] == '0' {
			return netip.Addr{}, false
		}
		a[part] = byte(n)
		if part < 3 {
			if i >= len(b) || b[i] != '.' {
				return netip.Addr{}, false
			}
			i++
		}
	}
	return netip.AddrFrom4(a), i == len(b)
}
