package pairs

import (
	"cmp"
	"math"
	"sync"
)

// services numbers the service strings that Zeek recognized ("ssl", "ssl,http"): a handful in any network.
// Number 0 is "none". Should hostile data bring more than 65,534 of them, the rest share the number of "other".
type services struct {
	mu      sync.RWMutex
	numbers map[string]uint16
	names   []string
}

func (s *services) number(name string) uint16 {
	if n, ok := s.known([]byte(name)); ok {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers == nil {
		s.numbers, s.names = map[string]uint16{}, []string{"", "other"}
	}
	if n, ok := s.numbers[name]; ok {
		return n
	}
	if len(s.names) > math.MaxUint16 {
		return 1
	}
	s.numbers[name] = uint16(len(s.names))
	s.names = append(s.names, name)
	return s.numbers[name]
}

// known gives the number of a service that has one.
func (s *services) known(name []byte) (n uint16, ok bool) {
	if len(name) == 0 {
		return 0, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok = s.numbers[string(name)]
	return n, ok
}

// numberOf is number for a text that is not to be kept.
func (s *services) numberOf(name []byte) uint16 {
	if n, ok := s.known(name); ok {
		return n
	}
	return s.number(string(name))
}

// list gives the names by number.
func (s *services) list() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.names == nil {
		return []string{""}
	}
	return s.names
}

// fuller is the one of two services that names most: the longer text, of two as long the greater.
func (s *services) fuller(a, b uint16) uint16 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	names := s.list()
	if cmp.Or(cmp.Compare(len(names[a]), len(names[b])), cmp.Compare(names[a], names[b])) > 0 {
		return a
	}
	return b
}
