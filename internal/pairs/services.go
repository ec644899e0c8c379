package pairs

import (
	"cmp"
	"math"
	"sync"
)

// services numbers the services that Zeek recognized ("ssl", "ssl,http"): a handful in any network. Number 0 is none.
// If hostile data has more than 65,534, the rest share the number of "other".
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

// known returns the number of a known service.
func (s *services) known(name []byte) (n uint16, ok bool) {
	if len(name) == 0 {
		return 0, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok = s.numbers[string(name)]
	return n, ok
}

// numberOf is number for a text that the caller will reuse.
func (s *services) numberOf(name []byte) uint16 {
	if n, ok := s.known(name); ok {
		return n
	}
	return s.number(string(name))
}

// list returns the names by number.
func (s *services) list() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.names == nil {
		return []string{""}
	}
	return s.names
}

// fuller is the more specific of two services: the longer text, and of equal lengths the greater.
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
