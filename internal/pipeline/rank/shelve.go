package rank

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// shelve puts aside what of keys is wanted again only once all are measured: it grows with their connections.
func (s *search) shelve(keys []*key) {
	var b []byte
	for _, k := range keys {
		if k.shelved {
			continue
		}
		b = binary.AppendUvarint(b[:0], uint64(len(k.of)))
		b = append(b, k.of...)
		b = binary.AppendUvarint(b, uint64(len(k.uses)))
		for _, u := range k.uses {
			a := u.Addr.As16()
			b = binary.AppendUvarint(append(b, a[:]...), uint64(u.Connections))
		}
		b = appendTimeline(b, k.timeline)
		k.place, k.shelved = s.shelf.Put(b), true
		k.of, k.uses, k.timeline = nil, nil, nil
	}
}

// take takes a key from the shelf; shelve puts it back. Where the disk fails the key is empty, and so is the hunt: the
// shelf tells.
func (s *search) take(k *key) {
	if !k.shelved {
		return
	}
	b := s.shelf.Get(k.place)
	if b == nil {
		return
	}
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	n := next()
	k.of, b = packed(b[:n:n]), b[n:]
	if n = next(); n > 0 {
		k.uses = make([]pairs.Use, n)
	}
	for i := range k.uses {
		k.uses[i].Addr = netip.AddrFrom16([16]byte(b)).Unmap()
		b = b[16:]
		k.uses[i].Connections = int64(next())
	}
	k.timeline = s.timeline(next)
}

// letGo forgets what take took.
func (k *key) letGo() {
	if k.shelved {
		k.of, k.uses, k.timeline = nil, nil, nil
	}
}

func appendTimeline(b []byte, t *hunt.Timeline) []byte {
	if t == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Counts)))
	for _, n := range t.Counts {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, uint64(len(t.Intervals)))
	for _, bin := range t.Intervals {
		at, _ := slices.BinarySearch(hunt.IntervalEdges(), bin.From)
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(at)), uint64(bin.Count))
	}
	return b
}

// timeline is one of the hunt's window, as appendTimeline wrote it.
func (s *search) timeline(next func() uint64) *hunt.Timeline {
	n := next()
	if n == 0 {
		return nil
	}
	t := hunt.EmptyTimeline(s.m.Window.Start.UnixMilli(), s.m.Window.End.UnixMilli())
	for i := range t.Counts[:n] {
		t.Counts[i] = int64(next())
	}
	if n = next(); n > 0 {
		t.Intervals = make([]hunt.IntervalBin, n)
	}
	for i := range t.Intervals {
		at := int(next())
		t.Intervals[i] = hunt.IntervalBinAt(at, int64(next()))
	}
	return t
}
