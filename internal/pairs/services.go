package pairs

import (
	"math"
	"sync"
)

// services numbers the service strings that Zeek recognised ("ssl", "ssl,http"): a handful in any network.
// Number 0 is "none". Should hostile data bring more than 65,534 of them, the rest share the number of "other".
type services struct {
	mu      sync.RWMutex
	numbers map[string]uint16
	names   []string
}

func (s *services) number(name string) uint16 {
	if name == "" {
		return 0
	}
	s.mu.RLock()
	n, ok := s.numbers[name]
	s.mu.RUnlock()
	if ok {
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

// list gives the names by number.
func (s *services) list() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.names == nil {
		return []string{""}
	}
	return s.names
}
