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
	order    Order
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
	all := st.head[:min(int(st.used), len(st.head))]
	if st.current != 0 {
		p.bytes = sh.bytes(st, p.bytes[:0])
		all = p.bytes
	}
	p.Connections = slices.Grow(p.Connections[:0], int(st.connections))
	var start int64
	sorted := true
	for at := 0; at < len(all); {
		var of [8]uint64 // port, change of the start, source port, mark, and the sizes
		for i := range of {
			v := uint64(all[at])
			if at++; v >= 0x80 {
				var n int
				v, n = binary.Uvarint(all[at-1:])
				at += n - 1
			}
			of[i] = v
		}
		delta := int64(of[1]>>1) ^ -int64(of[1]&1) // as binary.Varint has it
		sorted = sorted && (delta >= 0 || len(p.Connections) == 0)
		start += delta
		p.Connections = append(p.Connections, Record{Start: start, SrcPort: uint16(of[2] >> stateBits), Port: uint16(of[0]), State: hunt.State(of[2] & (1<<stateBits - 1)), mark: of[3],
			OrigIPBytes: int64(of[4]) - 1, Duration: int64(of[5]) - 1, OrigBytes: int64(of[6]) - 1, RespBytes: int64(of[7]) - 1})
	}
	if !sorted {
		p.order.Sort(p.Connections)
	}
	p.sortPorts()
}

// Order sorts connections by their start. It reuses its memory; the zero Order is ready.
type Order struct {
	keys  []uint64
	moved []Record
}

// Sort sorts; connections of one start keep their order. Plain numbers are sorted, and each connection moves once: that
// takes a third of the time of comparing connections.
func (o *Order) Sort(records []Record) {
	if len(records) == 0 {
		return
	}
	const placeBits = 22 // the rest holds the milliseconds of a hundred years
	first, last := records[0].Start, records[0].Start
	for i := range records {
		first, last = min(first, records[i].Start), max(last, records[i].Start)
	}
	if len(records) >= 1<<placeBits || uint64(last-first) >= 1<<(64-placeBits) {
		slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Start, b.Start) })
		return
	}
	o.keys = o.keys[:0]
	for i := range records {
		o.keys = append(o.keys, uint64(records[i].Start-first)<<placeBits|uint64(i))
	}
	if slices.IsSorted(o.keys) {
		return
	}
	slices.Sort(o.keys)
	o.moved = append(o.moved[:0], records...)
	for i, key := range o.keys {
		records[i] = o.moved[key&(1<<placeBits-1)]
	}
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
