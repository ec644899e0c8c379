package rank

import (
	"net/netip"

	"dwell/scoring"
)

const (
	// sharedHabit is what a destination that several hosts use weighs among the habits: presence is measured against what
	// hosts do with destinations of their own.
	sharedHabit = 0.25
	// fewestHabits: with fewer candidates of other hosts, the host's own count too.
	fewestHabits = 20
)

// habit is in how many hours a pair is active.
type habit struct {
	hours  int
	weight float64
}

// note takes a pair of the source in.
func (s *source) note(hours int, alone bool) {
	h := habit{hours, sharedHabit}
	if alone {
		h.weight = 1
	}
	s.active = append(s.active, h)
}

// habits of a source's pairs.
func (s *source) habits() (out scoring.Habits) {
	host := s.hours.Count()
	for _, h := range s.active {
		out.Add(h.weight, h.hours, host)
	}
	return out
}

// present settles what the presence of each key is worth, now that it is known what the other hosts do.
func (s *search) present(tested int) {
	s.habits, s.active = map[netip.Addr]scoring.Habits{}, map[netip.Addr]int{}
	for i := range s.found {
		src := &s.found[i]
		s.habits[src.src], s.active[src.src] = src.habits(), src.hours.Count()
		s.all.Join(s.habits[src.src])
	}
	for i := range s.found {
		src := &s.found[i]
		for _, k := range src.keys {
			k.shown = k.presence.Score(s.hoursOf(src.src), s.othersOf(src.src), tested)
		}
	}
}

// hoursOf is in how many hours a host is active.
func (s *search) hoursOf(src netip.Addr) int { return s.active[src] }

// othersOf are the habits of the other hosts' candidates.
func (s *search) othersOf(src netip.Addr) scoring.Habits {
	if others := s.all.Without(s.habits[src]); others.Weight() >= fewestHabits {
		return others
	}
	return s.all
}
