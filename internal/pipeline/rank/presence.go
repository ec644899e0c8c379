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
	var all scoring.Habits
	own := map[netip.Addr]scoring.Habits{}
	for i := range s.found {
		h := s.found[i].habits()
		own[s.found[i].src] = h
		all.Join(h)
	}
	for i := range s.found {
		src := &s.found[i]
		others := all.Without(own[src.src])
		if others.Weight() < fewestHabits {
			others = all
		}
		for _, k := range src.keys {
			k.shown = k.presence.Score(src.hours.Count(), others, tested)
		}
	}
}
