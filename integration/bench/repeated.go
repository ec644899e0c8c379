package main

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"dwell/internal/history"
	"dwell/internal/hunt"
)

// repeated reads days of history several times, each time as the days before, or as other hosts of the same days. One
// pair of addresses in three recurs in all of them, the others have another destination each time.
type repeated struct {
	of       *history.Archive
	days     int
	times    int
	together bool
}

func (r repeated) Open() *hunt.Session {
	s := *r.of.Open()
	connections, names, queries := s.Connections, s.Names, s.DNS
	s.Connections = func(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		reading, err := connections(ctx, req, emit)
		var n atomic.Int64
		for k := 1; k < r.times && err == nil; k++ {
			_, err = r.of.Store.Connections(ctx, r.all(), func(batch []hunt.Connection) error {
				for i := range batch {
					r.move(&batch[i].Src, &batch[i].Dst, &batch[i].Start, k)
				}
				n.Add(int64(len(batch)))
				return emit(batch)
			})
		}
		reading.Connections, reading.Records = reading.Connections+n.Load(), reading.Records+n.Load()
		return reading, err
	}
	s.Names = func(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
		reading, err := names(ctx, req, emit)
		for k := 1; k < r.times && err == nil; k++ {
			_, err = r.of.Store.Names(ctx, r.all(), func(batch []hunt.NameRecord) error {
				for i := range batch {
					r.move(&batch[i].Src, &batch[i].Dst, &batch[i].Start, k)
				}
				return emit(batch)
			})
		}
		return reading, err
	}
	s.DNS = func(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
		reading, err := queries(ctx, req, emit)
		for k := 1; k < r.times && err == nil; k++ {
			_, err = r.of.Store.Queries(ctx, r.all(), func(batch []hunt.DNSRecord) error {
				for i := range batch {
					resolver := batch[i].Resolver
					r.move(&batch[i].Client, &resolver, &batch[i].Start, k)
				}
				return emit(batch)
			})
		}
		return reading, err
	}
	return &s
}

func (r repeated) all() history.Selection {
	return history.Selection{From: day.Add(-time.Hour), To: day.AddDate(0, 0, r.days)}
}

// move makes a record one of the k-th reading.
func (r repeated) move(src, dst *netip.Addr, start *int64, k int) {
	other, later := elsewhere(*src, *dst, k)
	if *dst = other; r.together {
		host := src.As4()
		host[1] = byte(k)
		*src = netip.AddrFrom4(host)
		return
	}
	if *dst == implant.dst {
		*start -= int64(k*r.days) * 24 * time.Hour.Milliseconds()
		return
	}
	whole := int64(r.times*r.days) * 24 * time.Hour.Milliseconds()
	oldest := day.AddDate(0, 0, r.days).UnixMilli() - whole
	*start = oldest + (*start-oldest+later%whole)%whole
}

// elsewhere is the destination of a pair in the k-th reading, and by how many milliseconds it is later then, around the
// whole window: what came back after as many days each time would have a rhythm.
func elsewhere(src, dst netip.Addr, k int) (netip.Addr, int64) {
	if dst == implant.dst {
		return dst, 0
	}
	s, d := src.As4(), dst.As4()
	pair := scramble(binary.BigEndian.Uint32(s[:])*31 + binary.BigEndian.Uint32(d[:]))
	other := scramble(pair + uint32(k))
	later := int64(other) << 10
	if pair%3 == 0 {
		return dst, later
	}
	return netip.AddrFrom4([4]byte{20 + byte(other>>24)%60, byte(other >> 16), byte(other >> 8), byte(other)}), later
}
