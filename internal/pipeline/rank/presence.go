package rank

import (
	"net/netip"

	"dwell/internal/evidence/prevalence"
	"dwell/scoring"
)

// fewestHabits: with fewer candidates of other hosts, the host's own count, too.
const fewestHabits = 20

// habits are those of candidates with destinations of their own, and of all. What no other host uses is compared with
// what no other host uses elsewhere: services that many hosts use run all day on each of them.
type habits struct{ own, all scoring.Habits }

// sharedHabit is the weight of a destination that several hosts use, among all.
const sharedHabit = 0.25

// mostOfHost is the largest weight of one host's own destinations together: a host that uses thirty servers in turn,
// all day, does not decide what is usual.
const mostOfHost = 6.0

// habit is the number of hours in which a pair is active, and whether no other host uses its destination.
type habit struct {
	hours int
	alone bool
}

// pacedLogP is the largest p-value (log10) of a rhythm.
const pacedLogP = -8

// paced says whether a key has a rhythm. It is judged by that, and its hours are not a habit.
func (k *key) paced() bool { return k.beacon.LogP <= pacedLogP && !k.beacon.Timer }

// habitsOf are those of a source's pairs, in a window of this many hours.
func habitsOf(pairs []habit, window int) (out habits) {
	alone := 0
	for _, h := range pairs {
		if h.alone {
			alone++
		}
	}
	for _, h := range pairs {
		if h.alone {
			weight := min(1, mostOfHost/float64(alone))
			out.own.Add(weight, h.hours, window)
			out.all.Add(weight, h.hours, window)
		} else {
			out.all.Add(sharedHabit, h.hours, window)
		}
	}
	return out
}

// present adds up the habits of all hosts.
func (s *search) present() {
	s.habits, s.active = map[netip.Addr]habits{}, map[netip.Addr]int{}
	for i := range s.found {
		src := &s.found[i]
		s.habits[src.src], s.active[src.src] = src.habits, src.hours
		s.all.own.Join(src.habits.own)
		s.all.all.Join(src.habits.all)
	}
}

// isAlone says whether no other host uses a key's destination.
func (s *search) isAlone(k *key) bool {
	switch {
	case k.kind == scoring.NameKey || k.kind == scoring.DomainKey:
		return s.alone.domain(prevalence.DomainOf(k.Name))
	case k.Dst.IsValid():
		return s.alone.address(k.Dst)
	}
	return false
}

// hoursOf is the number of hours in which a host is active.
func (s *search) hoursOf(src netip.Addr) int { return s.active[src] }

// othersOf are the habits of the other hosts' candidates: for a destination that no other host uses, of those with such
// destinations, if there are enough.
func (s *search) othersOf(src netip.Addr, alone bool) scoring.Habits {
	if own := s.all.own.Without(s.habits[src].own); alone && own.Weight() >= fewestHabits {
		return own
	}
	if others := s.all.all.Without(s.habits[src].all); others.Weight() >= fewestHabits {
		return others
	}
	return s.all.all
}
