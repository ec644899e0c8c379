package pairs

import (
	"bytes"
	"encoding/binary"

	"dwell/internal/tile"
)

// mostWritten is how many tiles are written at once, mostRead how many are read at once: each has a block of 32 KiB in
// memory.
const mostWritten, mostRead = 64, 128

// cutter writes the pairs of a table into tiles, each connection into that of its hour.
type cutter struct {
	t     *Table
	names []string
	open  map[int64]*hourTile
	done  map[int64]bool
	// left says that there are hours for which no tile could be begun yet.
	left bool

	conns, value []byte
	parts        []part
}

type hourTile struct {
	file tileFile
	out  *tile.Writer
}

// part is what a pair has in an hour.
type part struct {
	hour     int64
	count    uint32
	previous int64
	slots    []slot
	place    map[uint64]uint16 // in slots, by the pair's slots
	conns    []byte
}

func newCutter(t *Table) *cutter {
	return &cutter{t: t, names: t.services.list(), open: map[int64]*hourTile{}, done: map[int64]bool{}}
}

// all writes every pair. It goes over them once, or, where their hours are too many to be written at once, several times.
func (c *cutter) all() error {
	for c.left = true; c.left; {
		c.left = false
		err := c.t.inOrder(c.pair)
		for hour, h := range c.open {
			if err == nil {
				err = h.out.Close()
			} else {
				h.out.Discard()
			}
			if err == nil {
				c.t.keep(h.file)
			}
			delete(c.open, hour)
			c.done[hour] = true
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// to gives the tile of an hour; nil when it is not its turn.
func (c *cutter) to(hour int64) (*tile.Writer, error) {
	if h := c.open[hour]; h != nil {
		return h.out, nil
	}
	if c.done[hour] {
		return nil, nil
	}
	if len(c.open) == mostWritten {
		c.left = true
		return nil, nil
	}
	file, out, err := c.t.newTile(tile.Hours{First: hour, Count: 1})
	if err != nil {
		return nil, err
	}
	c.open[hour] = &hourTile{file, out}
	return out, nil
}

// pair writes one pair.
func (c *cutter) pair(sh *shard, id uint32) error {
	st := sh.state(id)
	if st.connections > 1 {
		if c.conns = sh.bytes(st, c.conns[:0]); !sameHour(c.conns) {
			return c.cut(sh, id)
		}
	}
	out, err := c.to(tile.HourOf(st.previous))
	if out == nil {
		return err
	}
	c.value = sh.entry(c.value[:0], id, c.names)
	return out.Add(tile.Key(st.key), c.value)
}

// sameHour says whether all connections start in one hour.
func sameHour(conns []byte) bool {
	var r raw
	conns, _ = r.next(conns)
	for hour := tile.HourOf(r.start); len(conns) > 0; {
		if conns, _ = r.next(conns); tile.HourOf(r.start) != hour {
			return false
		}
	}
	return true
}

// cut writes a pair, whose connections are in c.conns, into several tiles.
func (c *cutter) cut(sh *shard, id uint32) error {
	st := sh.state(id)
	c.parts = c.parts[:0]
	var r raw
	for b := c.conns; len(b) > 0; {
		b, _ = r.next(b)
		p := c.part(tile.HourOf(r.start))
		own := sh.slotAt(st, id, int(r.slot))
		place, ok := p.place[r.slot]
		if !ok {
			place = uint16(len(p.slots))
			p.place[r.slot] = place
			p.slots = append(p.slots, slot{port: own.port, proto: own.proto, service: own.service, last: r.start})
		}
		p.slots[place].see(&r, own)
		p.conns = binary.AppendUvarint(p.conns, uint64(place))
		p.conns = binary.AppendVarint(p.conns, r.start-p.previous)
		p.conns = append(p.conns, r.rest...)
		p.previous = r.start
		p.count++
	}
	for i := range c.parts {
		p := &c.parts[i]
		out, err := c.to(p.hour)
		if err != nil {
			return err
		}
		if out == nil {
			continue
		}
		c.value = appendEntry(c.value[:0], p.count, c.names, len(p.slots), func(i int) *slot { return &p.slots[i] })
		c.value = append(c.value, p.conns...)
		if err := out.Add(tile.Key(st.key), c.value); err != nil {
			return err
		}
	}
	return nil
}

// see notes a connection of an hour, of which the uid is known if it is the last of all hours.
func (s *slot) see(r *raw, own *slot) {
	switch {
	case r.start == own.last:
		s.last, s.srcPort, s.uid = own.last, own.srcPort, own.uid
	case r.start >= s.last:
		number, _ := binary.Uvarint(r.rest)
		port := uint16(number >> stateBits)
		if s.srcPort = max(s.srcPort, port); r.start > s.last {
			s.last, s.srcPort = r.start, port
		}
	}
}

// part gives what is gathered of an hour. Hours mostly come in order.
func (c *cutter) part(hour int64) *part {
	for i := len(c.parts) - 1; i >= 0; i-- {
		if c.parts[i].hour == hour {
			return &c.parts[i]
		}
	}
	n := len(c.parts)
	if n == cap(c.parts) {
		c.parts = append(c.parts, part{place: map[uint64]uint16{}})
	}
	c.parts = c.parts[:n+1]
	p := &c.parts[n]
	if p.place == nil {
		p.place = map[uint64]uint16{}
	}
	clear(p.place)
	*p = part{hour: hour, slots: p.slots[:0], place: p.place, conns: p.conns[:0]}
	return p
}

// inOrder calls visit with every pair in order of their keys. All pairs of a source lie in one shard.
func (t *Table) inOrder(visit func(sh *shard, id uint32) error) error {
	scratch := make([]sorting, Workers())
	onAllCores(shards, func(worker, i int) { t.shards[i].sorted(&scratch[worker]) })
	type rest struct {
		sh    *shard
		order []uint32
		key   addresses
	}
	var list []rest
	for i := range t.shards {
		if sh := &t.shards[i]; sh.count > 0 {
			list = append(list, rest{sh, sh.order, sh.state(sh.order[0]).key})
		}
	}
	q := newQueue(list, func(a, b *rest) bool { return bytes.Compare(a.key[:16], b.key[:16]) < 0 })
	for len(q.list) > 0 {
		first := &q.list[0]
		n := first.sh.sameSource(first.order)
		for _, id := range first.order[:n] {
			if err := visit(first.sh, id); err != nil {
				return err
			}
		}
		if first.order = first.order[n:]; len(first.order) == 0 {
			q.drop()
			continue
		}
		first.key = first.sh.state(first.order[0]).key
		q.fix()
	}
	return nil
}
