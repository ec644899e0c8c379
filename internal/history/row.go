package history

import (
	"bytes"
	"cmp"
	"net/netip"
	"strings"

	"dwell/internal/hunt"
)

// Kind is the kind of a segment.
type Kind string

// The kinds of segments.
const (
	Connections Kind = "connections"
	Names       Kind = "names"
	Queries     Kind = "queries"
)

// address is an IPv6 address, or an IPv4 one as IPv4-mapped IPv6: 16 bytes sort like addresses and compress well.
type address = [16]byte

func addr(a address) netip.Addr { return netip.AddrFrom16(a).Unmap() }

// connection is a row of a segment of connections. Absent sizes are -1, as in [hunt.Connection].
type connection struct {
	Source          address `parquet:"source_ip,dict"`
	Destination     address `parquet:"destination_ip"`
	DestinationPort uint16  `parquet:"destination_port,dict"`
	Transport       uint8   `parquet:"transport,dict"`
	// Start is Unix milliseconds.
	Start      int64  `parquet:"start,delta"`
	SourcePort uint16 `parquet:"source_port"`
	// Duration is milliseconds.
	Duration    int64  `parquet:"duration"`
	OrigIPBytes int64  `parquet:"orig_ip_bytes"`
	OrigBytes   int64  `parquet:"orig_bytes"`
	RespBytes   int64  `parquet:"resp_bytes"`
	Service     string `parquet:"service,dict"`
	State       uint8  `parquet:"state,dict"`
	Open        bool   `parquet:"open"`
	// Proxied is a connection to an internal proxy. It is no candidate by itself; names that the proxy was asked for
	// are joined with it.
	Proxied bool  `parquet:"proxied"`
	Count   int64 `parquet:"count,dict"`
}

func (r *connection) compare(o *connection) int {
	return cmp.Or(bytes.Compare(r.Source[:], o.Source[:]), bytes.Compare(r.Destination[:], o.Destination[:]),
		cmp.Compare(r.DestinationPort, o.DestinationPort), cmp.Compare(r.Transport, o.Transport), cmp.Compare(r.Start, o.Start),
		cmp.Compare(r.SourcePort, o.SourcePort))
}

func (r *connection) start() int64 { return r.Start }

// near says whether two records, sorted, are of one connection, and follows whether another such record may come after
// the second.
func (r *connection) near(o *connection) (one, follows bool) {
	follows = r.Source == o.Source && r.Destination == o.Destination && r.DestinationPort == o.DestinationPort && r.Transport == o.Transport && o.Start-r.Start <= hunt.Near
	return follows && r.SourcePort == o.SourcePort, follows
}

func (r *connection) wanted(sel *Selection) bool {
	return r.Proxied == sel.Proxied && sel.between(&r.Source, &r.Destination)
}

// same keeps the longer duration: a connection that was still open is recorded again at its end.
func (r *connection) same(o *connection, both bool) {
	if both {
		r.Count += o.Count
	}
	if o.Duration > r.Duration { // it keeps its place in the order
		o.Count, o.Start = r.Count, r.Start
		*r = *o
	}
}

func (r *connection) from(c *hunt.Connection) {
	*r = connection{Source: c.Src.As16(), Destination: c.Dst.As16(), DestinationPort: c.DstPort, Transport: uint8(c.Proto), Start: c.Start,
		SourcePort: c.SrcPort, Duration: c.Duration, OrigIPBytes: c.OrigIPBytes, OrigBytes: c.OrigBytes, RespBytes: c.RespBytes,
		Service: c.Service, State: uint8(c.State), Open: c.State == hunt.StateOpen, Count: max(c.Count, 1)}
}

func (r *connection) record() hunt.Connection {
	return hunt.Connection{Src: addr(r.Source), Dst: addr(r.Destination), DstPort: r.DestinationPort, Proto: hunt.Transport(r.Transport),
		Start: r.Start, SrcPort: r.SourcePort, Duration: r.Duration, OrigIPBytes: r.OrigIPBytes, OrigBytes: r.OrigBytes, RespBytes: r.RespBytes,
		Service: r.Service, State: hunt.State(r.State), Count: r.Count}
}

// name is a row of a segment of names.
type name struct {
	Source          address `parquet:"source_ip,dict"`
	Destination     address `parquet:"destination_ip"`
	DestinationPort uint16  `parquet:"destination_port,dict"`
	Start           int64   `parquet:"start,delta"`
	SourcePort      uint16  `parquet:"source_port"`
	Name            string  `parquet:"name,dict"`
	Kind            uint8   `parquet:"kind,dict"`
	Port            uint16  `parquet:"asked_port,dict"`
	Fingerprint     string  `parquet:"fingerprint,dict"`
	Count           int64   `parquet:"count,dict"`
}

func (r *name) compare(o *name) int {
	return cmp.Or(bytes.Compare(r.Source[:], o.Source[:]), bytes.Compare(r.Destination[:], o.Destination[:]),
		cmp.Compare(r.DestinationPort, o.DestinationPort), cmp.Compare(r.Start, o.Start), cmp.Compare(r.SourcePort, o.SourcePort),
		cmp.Compare(r.Name, o.Name), cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.Port, o.Port), cmp.Compare(r.Fingerprint, o.Fingerprint))
}

func (r *name) near(o *name) (one, follows bool) { one = r.compare(o) == 0; return one, one }

func (r *name) start() int64 { return r.Start }

func (r *name) wanted(sel *Selection) bool {
	return sel.between(&r.Source, &r.Destination) && sel.named(r.Name)
}

func (r *name) same(o *name, both bool) {
	if both {
		r.Count += o.Count
	}
}

func (r *name) from(n *hunt.NameRecord) {
	*r = name{Source: n.Src.As16(), Destination: n.Dst.As16(), DestinationPort: n.DstPort, Start: n.Start, SourcePort: n.SrcPort, Name: n.Name,
		Kind: uint8(n.Kind), Port: n.Port, Fingerprint: n.Fingerprint.String(), Count: max(n.Count, 1)}
	if n.Aside {
		r.Kind |= aside
	}
}

// aside is the bit of a name's kind that stands for [hunt.NameRecord.Aside].
const aside = 4

func (r *name) record() hunt.NameRecord {
	return hunt.NameRecord{Src: addr(r.Source), Dst: addr(r.Destination), DstPort: r.DestinationPort, Start: r.Start, SrcPort: r.SourcePort,
		Name: r.Name, Kind: hunt.NameKind(r.Kind &^ aside), Aside: r.Kind&aside != 0, Port: r.Port, Fingerprint: hunt.ParseFingerprint(r.Fingerprint), Count: r.Count}
}

// query is a row of a segment of DNS queries.
type query struct {
	Client   address  `parquet:"client_ip,dict"`
	Resolver address  `parquet:"resolver_ip,dict"`
	Start    int64    `parquet:"start,delta"`
	Query    string   `parquet:"query,dict"`
	Type     string   `parquet:"type,dict"`
	Answers  []string `parquet:"answers,dict"`
	Count    int64    `parquet:"count,dict"`
}

func (r *query) compare(o *query) int {
	return cmp.Or(bytes.Compare(r.Client[:], o.Client[:]), cmp.Compare(r.Query, o.Query), cmp.Compare(r.Start, o.Start),
		bytes.Compare(r.Resolver[:], o.Resolver[:]), cmp.Compare(r.Type, o.Type))
}

func (r *query) near(o *query) (one, follows bool) { one = r.compare(o) == 0; return one, one }

func (r *query) start() int64 { return r.Start }

func (r *query) wanted(sel *Selection) bool {
	return (sel.source == nil || sel.source.has(&r.Client)) && sel.named(r.Query)
}

// same keeps the record that has answers: of two taps, one may see only the query.
func (r *query) same(o *query, both bool) {
	if both {
		r.Count += o.Count
	}
	if len(o.Answers) > len(r.Answers) {
		o.Count = r.Count
		*r = *o
	}
}

func (r *query) from(q *hunt.DNSRecord) {
	*r = query{Client: q.Client.As16(), Resolver: q.Resolver.As16(), Start: q.Start, Query: strings.Clone(q.Query), Type: strings.Clone(q.Type),
		Count: max(q.Count, 1)}
	for _, a := range q.Answers {
		r.Answers = append(r.Answers, strings.Clone(a))
	}
}

func (r *query) record() hunt.DNSRecord {
	return hunt.DNSRecord{Client: addr(r.Client), Resolver: addr(r.Resolver), Start: r.Start, Query: r.Query, Type: r.Type,
		Answers: r.Answers, Count: r.Count}
}
