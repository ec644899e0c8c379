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
	all := sh.stored(st, &p.bytes)
	p.Connections = slices.Grow(p.Connections[:0], int(st.connections))
	var start int64
	sorted := true
	var of connection
	for at := 0; at < len(all); {
		at = of.read(all, at)
		delta := int64(of[1]>>1) ^ -int64(of[1]&1) // as binary.Varint has it
		sorted = sorted && (delta >= 0 || len(p.Connections) == 0)
		start += delta
		r := of.record()
		r.Start, r.mark = start, of[3]
		p.Connections = append(p.Connections, r)
	}
	if !sorted {
		p.order.Sort(p.Connections)
	}
	p.sortPorts()
}

// connection is one as it is stored: the place of its port, the change of the start, source port and state, mark, and the
// four sizes.
type connection [8]uint64

// read reads the one that begins at a place, and returns where it ends.
func (c *connection) read(b []byte, at int) int {
	for i := range c {
		v := uint64(b[at])
		if at++; v >= 0x80 {
			var n int
			v, n = binary.Uvarint(b[at-1:])
			at += n - 1
		}
		c[i] = v
	}
	return at
}

// record is the connection, without its start and mark.
func (c *connection) record() Record {
	return Record{SrcPort: uint16(c[2] >> stateBits), Port: uint16(c[0]), State: hunt.State(c[2] & (1<<stateBits - 1)),
		OrigIPBytes: int64(c[4]) - 1, Duration: int64(c[5]) - 1, OrigBytes: int64(c[6]) - 1, RespBytes: int64(c[7]) - 1}
}

// Any says whether is is true of one of pair i's connections, whose starts are not filled in. It stops at the first.
func (o *Of) Any(i int, is func(*Record) bool) bool {
	all := o.sh.stored(o.sh.state(o.ids[i]), &o.bytes)
	var of connection
	for at := 0; at < len(all); {
		at = of.read(all, at)
		if o.one = of.record(); is(&o.one) { // kept there, as a value of its own would be allocated
			return true
		}
	}
	return false
}

// stored are the bytes of a pair's connections, those of several chunks in buffer.
func (sh *shard) stored(st *state, buffer *[]byte) []byte {
	if st.current == 0 {
		return st.head[:st.used]
	}
	*buffer = sh.bytes(st, (*buffer)[:0])
	return *buffer
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
