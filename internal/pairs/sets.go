package pairs

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
)

// numberSet is a set of numbers in half of a map's memory or less. It is sorted but for the newest numbers, which are
// sorted by themselves. The zero value is empty.
type numberSet struct {
	list []uint32
	// old is the length of the first part.
	old int
}

// fewestNew is the length that the second part of a numberSet may have, newestShare its share of the first part from
// which they are joined: a number then moves few others.
const fewestNew, newestShare = 64, 16

func (s *numberSet) has(n uint32) bool {
	for _, part := range [...][]uint32{s.list[:s.old], s.list[s.old:]} {
		if _, found := slices.BinarySearch(part, n); found {
			return true
		}
	}
	return false
}

// add adds a number that the set does not have.
func (s *numberSet) add(n uint32) {
	at, _ := slices.BinarySearch(s.list[s.old:], n)
	s.list = slices.Insert(roomFor(s.list, 1), s.old+at, n)
	if fresh := len(s.list) - s.old; fresh >= max(fewestNew, s.old/newestShare) {
		slices.Sort(s.list)
		s.old = len(s.list)
	}
}

// roomFor makes room for n more elements and an eighth besides: a host has several such slices, and append doubles them.
func roomFor[T any](list []T, n int) []T {
	if len(list)+n <= cap(list) {
		return list
	}
	return append(slices.Grow([]T(nil), len(list)+n+len(list)/8), list...)
}

// addressSet is a set of at most MaxAddresses addresses, of more the lowest: so their order does not matter. IPv4
// addresses are lower than others. The zero value is empty.
type addressSet struct {
	// four and six are sorted.
	four []uint32
	six  [][16]byte
}

func (s *addressSet) len() int { return len(s.four) + len(s.six) }

// add adds an address, without its zone.
func (s *addressSet) add(a netip.Addr) {
	full := s.len() == MaxAddresses
	if a = a.Unmap(); !a.Is4() {
		b := a.As16()
		at, known := slices.BinarySearchFunc(s.six, b, compare16)
		if known || full && at == len(s.six) {
			return
		}
		if full {
			s.six = s.six[:len(s.six)-1]
		}
		s.six = slices.Insert(roomFor(s.six, 1), at, b)
		return
	}
	n := numberOf(a)
	at, known := slices.BinarySearch(s.four, n)
	switch {
	case known || full && at == MaxAddresses:
		return
	case full && len(s.six) > 0:
		s.six = s.six[:len(s.six)-1]
	case full:
		s.four = s.four[:len(s.four)-1]
	}
	s.four = slices.Insert(roomFor(s.four, 1), at, n)
}

// all are the addresses, sorted.
func (s *addressSet) all() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, n := range s.four {
			if !yield(addressOf(n)) {
				return
			}
		}
		for _, b := range s.six {
			if !yield(netip.AddrFrom16(b)) {
				return
			}
		}
	}
}

func compare16(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }

// numberOf is an IPv4 address as a number, addressOf the reverse.
func numberOf(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func addressOf(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
