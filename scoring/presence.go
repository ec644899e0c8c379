package scoring

import (
	"math"
	"math/bits"
)

const (
	// presenceHours is the least number of active hours a day: more than a person is awake.
	presenceHours = 16
	// presencePause is the longest silence, in seconds. A person's night is longer.
	presencePause = 4 * 3600
	// presenceShare is the least share of its host's active hours in which a candidate is active, too.
	presenceShare = 0.75
	// presenceBurst: connections within it count as one act.
	presenceBurst = clockBurst
	// presenceBusiest is the largest number of acts an hour, on average. Proxies, resolvers and busy clients make more,
	// and their hours do not distinguish them.
	presenceBusiest = 110.0
	// presenceQueries is the same for queries of a domain that no other host asks for: proxies and browsers do not ask for
	// one domain alone so often.
	presenceQueries = 1000.0
	// presenceSpread is the least share of the slots that as many memoryless acts would fill. People act in sessions,
	// which fill a third to two thirds.
	presenceSpread = 0.85
	// presenceSlots is the largest number of slots a day, ten minutes each.
	presenceSlots = 144
	// presenceDoubt is the largest expected number of such candidates (log10: half a candidate) for a presence. With
	// few candidates no smaller number can be shown.
	presenceDoubt = -0.3
	// presenceMost is the largest score of presence alone: medium, even for a rare destination.
	presenceMost = 0.46
)

// Hours is a set of hours of a window, one bit each, first hour first. The zero value is empty.
type Hours []uint64

// Note marks the hour that a time, Unix milliseconds, falls in; times outside the window are left out.
func (h *Hours) Note(t int64, w Window) {
	if t < w.Start || t >= w.End {
		return
	}
	at := int((t - w.Start) / hour)
	for len(*h) <= at/64 {
		*h = append(*h, 0)
	}
	(*h)[at/64] |= 1 << (at % 64)
}

// Count is the number of hours in the set.
func (h Hours) Count() int {
	n := 0
	for _, x := range h {
		n += bits.OnesCount64(x)
	}
	return n
}

// Presence says how persistently a candidate is active, whatever its rhythm. The zero value is no presence.
type Presence struct {
	// Active is the number of the window's Hours in which it is active.
	Active, Hours int
	// Pause is the longest time without a connection, seconds.
	Pause float64
	// Spread is the number of time slots that its acts fill, divided by the number that as many random acts would fill.
	Spread float64
	// Rate is its acts per active hour.
	Rate float64
	// Holds says that all of this fits a program that always runs, and no person who sleeps. Busy says so of one that acts
	// more often than distinguishes programs, but for queries.
	Holds, Busy bool
}

// PresenceFits says whether a window (seconds) is long enough to measure presence.
func PresenceFits(seconds float64) bool { return seconds >= presenceHours*3600 }

// Presence measures the connections that start in the window. It is zero for windows shorter than presenceHours.
func (sc *Scorer) Presence(s Series, w Window) Presence {
	w = w.bounded()
	var p Presence
	if w.Length() < presenceHours*hour || len(s.Start) < presenceHours {
		return p
	}
	sc.inside = sc.inside[:0]
	for _, t := range s.Start {
		if t >= w.Start && t < w.End {
			sc.inside = append(sc.inside, t)
		}
	}
	if len(sc.inside) < presenceHours {
		return p
	}
	sortInts(sc.inside)
	days := float64(w.Length()) / day
	p.Hours = int(math.Ceil(float64(w.Length()) / hour))
	slots := math.Round(min(presenceSlots*days, max(24*days, float64(len(sc.inside))/1.5)))
	length := int64(math.Ceil(float64(w.Length()) / slots))
	acts, filled, lastSlot, lastHour := 0, 0, int64(-1), int64(-1)
	last, pause := sc.inside[0], int64(0)
	for i, t := range sc.inside {
		if i == 0 || t-last > presenceBurst {
			acts++
		}
		pause, last = max(pause, t-last), t
		if at := (t - w.Start) / length; at != lastSlot {
			filled, lastSlot = filled+1, at
		}
		if at := (t - w.Start) / hour; at != lastHour {
			p.Active, lastHour = p.Active+1, at
		}
	}
	p.Pause = float64(pause) / second
	// Only the time from the first to the last connection counts. An implant that came at noon is judged after noon.
	span := max(last-sc.inside[0], length)
	of := math.Ceil(float64(span)/float64(length)) + 1
	p.Spread = float64(filled) / (of * -math.Expm1(-float64(acts)/of))
	p.Rate = float64(acts) / float64(p.Active)
	// Fewer acts than active hours are one flood: that is a strobe, not presence.
	always := float64(p.Active) >= presenceHours*max(1, math.Floor(days)) && acts >= p.Active && p.Pause <= presencePause && p.Spread >= presenceSpread
	p.Holds = always && p.Rate <= presenceBusiest
	p.Busy = always && !p.Holds && p.Rate <= presenceQueries
	return p
}

// Habits summarizes the shares of the window's hours in which a hunt's candidates are active: what presence is measured
// against. (Shares of their hosts' hours would say little: what a person uses at work fills most hours of a host that
// sleeps.) Candidates have weights, so that one host with many, or one destination of many hosts, does not decide what
// is usual. The zero value has no candidates.
type Habits struct{ weight, sum, squares float64 }

// Add adds a candidate that is active in some of a window's hours.
func (h *Habits) Add(weight float64, active, hours int) {
	if hours <= 0 || !(weight > 0) {
		return
	}
	x := float64(active) / float64(hours)
	h.weight, h.sum, h.squares = h.weight+weight, h.sum+weight*x, h.squares+weight*x*x
}

// Without subtracts others, such as those of the judged host: no host makes its own presence usual.
func (h Habits) Without(o Habits) Habits {
	return Habits{max(0, h.weight-o.weight), max(0, h.sum-o.sum), max(0, h.squares-o.squares)}
}

// Weight is the sum of all weights.
func (h Habits) Weight() float64 { return h.weight }

// Join adds others.
func (h *Habits) Join(o Habits) {
	h.weight, h.sum, h.squares = h.weight+o.weight, h.sum+o.sum, h.squares+o.squares
}

// LogP is log10 of the chance that a candidate with these habits is active in that many of the hours, or more: the tail
// of a beta-binomial distribution with their mean and spread. Half a candidate that is always active and half of one
// that never is are added, so that few candidates say little.
func (h Habits) LogP(active, hours int) float64 {
	if active <= 0 || hours <= 0 {
		return 0
	}
	h.Add(0.5, 1, 1)
	h.Add(0.5, 0, 1)
	mean := h.sum / h.weight
	spread := max(0, h.squares/h.weight-mean*mean)
	mean = min(max(mean, 1e-3), 1-1e-3)
	// The variance of a beta-binomial share is mean(1-mean)/n (1 + (n-1) rho).
	n := float64(hours)
	rho := (n*spread/(mean*(1-mean)) - 1) / max(1, n-1)
	rho = min(max(rho, presenceTogether), 0.999)
	a, b := mean*(1/rho-1), (1-mean)*(1/rho-1)
	lg := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
	base := lg(a+b) - lg(a) - lg(b) + lg(n+1) - lg(n+a+b)
	log := math.Inf(-1)
	for k := active; k <= hours; k++ {
		x := float64(k)
		log = logAdd(log, base+lg(x+a)+lg(n-x+b)-lg(x+1)-lg(n-x+1))
	}
	return max(lowestLogP, min(0, log/math.Ln10))
}

// presenceTogether is the least correlation of a candidate's hours. A session lasts several.
const presenceTogether = 0.05

// PresenceScore is a presence's score in a hunt.
type PresenceScore struct {
	// Score is the indicator's value, 0..presenceMost. LogP is log10 of the chance for one candidate, LogExpected log10
	// of the number of all candidates expected to look like this.
	Score, LogP, LogExpected float64
	// Host is the number of hours in which the host was active.
	Host int
}

// Score weighs a presence. host is the number of hours in which its host is active at all, h the habits of the other
// hosts' candidates, candidates the number of the hunt's candidates.
func (p Presence) Score(host int, h Habits, candidates int) PresenceScore {
	host = max(p.Active, host)
	if !p.Holds || float64(p.Active) < presenceShare*float64(host) {
		return PresenceScore{Host: host}
	}
	s := PresenceScore{LogP: h.LogP(p.Active, p.Hours), Host: host}
	s.LogExpected = s.LogP + math.Log10(float64(max(1, candidates)))
	if s.LogExpected < presenceDoubt {
		s.Score = presenceMost / (1 + math.Pow(10, s.LogExpected))
	}
	return s
}
