package elastic

import (
	"errors"
	"fmt"
	"net/netip"

	"dwell/internal/es/scan"
	"dwell/internal/hunt"
)

// page decodes composite answers. It keeps what repeats (service names, IPv6 addresses), so that a bucket costs no
// allocation. Not safe for concurrent use: each worker has its own.
type page struct {
	scan     scan.Scanner
	services map[string]string
	addrs    map[string]netip.Addr
	after    []byte
}

// maxInterned bounds what is kept; beyond, it starts over.
const maxInterned = 1 << 16

func newPage() *page {
	return &page{services: make(map[string]string), addrs: make(map[string]netip.Addr)}
}

// pageResult is what one page held.
type pageResult struct {
	// Buckets is how many connections were appended, Docs how many records they stand for.
	Buckets int
	Docs    int64
	// After is the key to go on from, nil when there is none; valid until the next page is decoded.
	After []byte
}

// decode appends the connections of an answer's raw aggregations to into.
func (p *page) decode(aggregations []byte, into []hunt.Connection) ([]hunt.Connection, pageResult, error) {
	var res pageResult
	found := false
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
				into = p.buckets(into, &res)
			default:
				s.Skip()
			}
		}
	}
	if s.End() && !found {
		s.Fail(errors.New("no buckets in the answer"))
	}
	if err := s.Err(); err != nil {
		return into, res, fmt.Errorf("page of connections: %w", err)
	}
	return into, res, nil
}

func (p *page) buckets(into []hunt.Connection, res *pageResult) []hunt.Connection {
	s := &p.scan
	s.Array()
	for s.Elem() {
		c := hunt.Connection{Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent}
		keyed := false
		s.Object()
		for k, ok := s.Key(); ok; k, ok = s.Key() {
			switch string(k) {
			case "key":
				keyed = p.key(&c)
			case "doc_count":
				c.Count = s.Int()
			default:
				s.Skip()
			}
		}
		if s.Err() != nil {
			return into
		}
		if !keyed || c.Count < 1 {
			s.Fail(errors.New("a bucket lacks its time, its addresses or its count"))
			return into
		}
		into = append(into, c)
		res.Buckets++
		res.Docs += c.Count
	}
	return into
}

// key reads a bucket's key and says whether what every connection has was there. The letters are those of sources.
func (p *page) key(c *hunt.Connection) bool {
	s := &p.scan
	timed := false
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
			c.SrcPort = p.port()
		case 'q':
			c.DstPort = p.port()
		case 'n':
			c.Proto = transport(s.Text())
		case 'v':
			c.Service = p.service(s.Text())
		case 'u':
			c.Duration = s.Scaled()
		case 'i':
			c.OrigIPBytes = s.Int()
		case 'o':
			c.OrigBytes = s.Int()
		case 'r':
			c.RespBytes = s.Int()
		default:
			s.Skip()
		}
	}
	return timed && c.Src.IsValid() && c.Dst.IsValid()
}

func (p *page) port() uint16 {
	n := p.scan.Int()
	if n < 0 || n > 65535 {
		p.scan.Fail(fmt.Errorf("port %d", n))
		return 0
	}
	return uint16(n)
}

// transport is hunt.ParseTransport without making a string.
func transport(b []byte) hunt.Transport {
	switch string(b) {
	case "tcp", "TCP":
		return hunt.TCP
	case "udp", "UDP":
		return hunt.UDP
	case "icmp", "ICMP":
		return hunt.ICMP
	}
	return hunt.TransportUnknown
}

func (p *page) service(b []byte) string {
	if s, ok := p.services[string(b)]; ok {
		return s
	}
	if len(p.services) >= maxInterned {
		clear(p.services)
	}
	s := string(b)
	p.services[s] = s
	return s
}

// addr reads an address as the server writes it. IPv4 is parsed here; IPv6 is rarer and kept.
func (p *page) addr(b []byte) netip.Addr {
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
