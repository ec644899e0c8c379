package pairs

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
)

// Pair is a source and a destination address with all their connections.
type Pair struct {
	Src, Dst netip.Addr
	// Connections are sorted by start.
	Connections []Record
	// Ports are the destination ports with their transports, sorted by number; Record.Port is an index of them.
	Ports []Port

	services []string
	bytes    []byte
	long     *longAddresses
	marks    []uint64
}

// Record is one connection of a pair. Times are milliseconds (start: Unix), sizes bytes; hunt.Absent where Zeek logged
// none.
type Record struct {
	Start, Duration                   int64
	OrigIPBytes, OrigBytes, RespBytes int64
	// SrcPort is the source port, Port an index of Pair.Ports.
	SrcPort, Port uint16
	// State says whether it was answered, if known.
	State hunt.State
	// mark is a hash of the uid, 0 if unknown. In a table by name or fingerprint it stands for the address: see
	// uses.go.
	mark uint64
}

// Port is one destination port of a pair, with the last connection to it.
type Port struct {
	// Number is the port (for ICMP the code), Proto its transport, Service what Zeek recognized (of several the
	// longest), or empty.
	Number  uint16
	Proto   hunt.Transport
	Service string
	// Last is the last connection's start in Unix milliseconds, SrcPort its source port, UID Zeek's name for it, if
	// known.
	Last    int64
	SrcPort uint16
	UID     hunt.UID
}

func (p *Pair) decode(sh *shard, id uint32) {
	st := sh.state(id)
	p.Src, p.Dst = st.key.split()
	p.Ports = p.Ports[:0]
	for i := range int(st.slots) {
		p.Ports = append(p.Ports, p.port(sh.slotAt(st, id, i)))
	}
	p.bytes = sh.bytes(st, p.bytes[:0])
	p.Connections = slices.Grow(p.Connections[:0], int(st.connections))
	var start int64
	sorted := true
	for b := p.bytes; len(b) > 0; {
		var r Record
		number, n := binary.Uvarint(b)
		delta, m := binary.Varint(b[n:])
		srcPort, l := binary.Uvarint(b[n+m:])
		uid, k := binary.Uvarint(b[n+m+l:])
		b = b[n+m+l+k:]
		for _, v := range [...]*int64{&r.OrigIPBytes, &r.Duration, &r.OrigBytes, &r.RespBytes} {
			u, n := binary.Uvarint(b)
			*v, b = int64(u)-1, b[n:]
		}
		sorted = sorted && (delta >= 0 || len(p.Connections) == 0)
		start += delta
		r.Start, r.SrcPort, r.Port, r.mark = start, uint16(srcPort>>stateBits), uint16(number), uid
		r.State = hunt.State(srcPort & (1<<stateBits - 1))
		p.Connections = append(p.Connections, r)
	}
	if !sorted {
		slices.SortStableFunc(p.Connections, func(a, b Record) int {
			switch {
			case a.Start < b.Start:
				return -1
			case a.Start > b.Start:
				return 1
			}
			return 0
		})
	}
	p.sortPorts()
}

// sortPorts sorts the ports by number, so that nothing depends on their order in the logs.
func (p *Pair) sortPorts() {
	byNumber := func(a, b Port) int { return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto)) }
	if slices.IsSortedFunc(p.Ports, byNumber) {
		return
	}
	met := slices.Clone(p.Ports)
	slices.SortFunc(p.Ports, byNumber)
	at := make([]uint16, len(met))
	for i := range met {
		n, _ := slices.BinarySearchFunc(p.Ports, met[i], byNumber)
		at[i] = uint16(n)
	}
	for i := range p.Connections {
		p.Connections[i].Port = at[p.Connections[i].Port]
	}
}

func (p *Pair) port(s *slot) Port {
	return Port{Number: s.port, Proto: s.proto, Service: p.services[s.service], Last: s.last, SrcPort: s.srcPort, UID: s.uid}
}
