package pairs

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"

	"dwell/internal/hunt"
	"dwell/internal/tile"
)

// raw is one connection as it is stored.
type raw struct {
	slot  uint64
	start int64
	// rest is source port with state, hash of the uid and the four sizes, encoded.
	rest []byte
}

// next reads the connection at the beginning of b; r holds the previous one, or nothing. It returns what follows it,
// and false at the end.
func (r *raw) next(b []byte) ([]byte, bool) {
	slot, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, false
	}
	delta, m := binary.Varint(b[n:])
	if m <= 0 {
		return nil, false
	}
	b = b[n+m:]
	end, length := 0, 0
	for numbers := 6; numbers > 0; end++ {
		if end == len(b) {
			return nil, false
		}
		length++
		if length > binary.MaxVarintLen64 || length == binary.MaxVarintLen64 && b[end] > 1 {
			return nil, false
		}
		if b[end] < 0x80 {
			numbers--
			length = 0
		}
	}
	r.slot, r.start, r.rest = slot, r.start+delta, b[:end]
	return b[end:], true
}

// appendEntry appends a pair's entry in a tile up to its connections: their number, then its ports.
func appendEntry(b []byte, connections uint32, names []string, slots int, slotAt func(i int) *slot) []byte {
	b = binary.AppendUvarint(b, uint64(connections))
	b = binary.AppendUvarint(b, uint64(slots))
	for i := range slots {
		s := slotAt(i)
		b = binary.LittleEndian.AppendUint16(b, s.port)
		b = append(b, byte(s.proto))
		b = binary.AppendVarint(b, s.last)
		b = binary.LittleEndian.AppendUint16(b, s.srcPort)
		b = append(b, s.uid[:]...)
		b = binary.AppendUvarint(b, uint64(len(names[s.service])))
		b = append(b, names[s.service]...)
	}
	return b
}

// entry appends a pair's whole entry in a tile.
func (sh *shard) entry(b []byte, id uint32, names []string) []byte {
	st := sh.state(id)
	b = appendEntry(b, st.connections, names, int(st.slots), func(i int) *slot { return sh.slotAt(st, id, i) })
	return sh.bytes(st, b)
}

var errEntry = fmt.Errorf("%w: an entry does not hold what a pair must have", tile.ErrDamaged)

// load adds a tile's entry to a shard.
func (sh *shard) load(key addresses, value []byte, s *services) error {
	p, id := sh.pair(key, maphash.Bytes(sh.seed, key[:]))
	b := value
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return math.MaxUint64
		}
		b = b[n:]
		return v
	}
	count, slots := number(), number()
	if count == 0 || slots > math.MaxUint16 || count > math.MaxUint32 {
		return errEntry
	}
	var few [4]uint16
	numbers := few[:0]
	for range slots {
		const fixed = 2 + 1
		if len(b) < fixed {
			return errEntry
		}
		c := hunt.Connection{DstPort: binary.LittleEndian.Uint16(b), Proto: hunt.Transport(b[2])}
		last, n := binary.Varint(b[fixed:])
		if n <= 0 || len(b) < fixed+n+2+len(c.UID) {
			return errEntry
		}
		b = b[fixed+n:]
		c.Start, c.SrcPort = last, binary.LittleEndian.Uint16(b)
		copy(c.UID[:], b[2:])
		b = b[2+len(c.UID):]
		l := number()
		if l > uint64(len(b)) {
			return errEntry
		}
		service := s.numberOf(b[:l])
		b = b[l:]
		numbers = append(numbers, sh.slot(p, id, &c, service, s))
	}
	var buffer [2 * binary.MaxVarintLen64]byte
	var r raw
	for range count {
		var ok bool
		if b, ok = r.next(b); !ok || r.slot >= uint64(len(numbers)) {
			return errEntry
		}
		out := binary.AppendUvarint(buffer[:0], uint64(numbers[r.slot]))
		out = binary.AppendVarint(out, r.start-p.previous)
		p.previous = r.start
		p.connections++
		sh.append(p, out)
		sh.append(p, r.rest)
	}
	if len(b) > 0 {
		return errEntry
	}
	return nil
}
