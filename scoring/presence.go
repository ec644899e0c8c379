package scoring

import (
	"math"
	"math/bits"
)

const (
	// presenceHours is in how many hours of a day a candidate must be active: more than anybody is awake.
	presenceHours = 16
	// presencePause is the longest time, in seconds, that it may be silent: nobody's night is shorter.
	presencePause = 4 * 3600
	// presenceShare of its host's hours are its own, too.
	presenceShare = 0.75
	// presenceBurst: connections within it are one act.
	presenceBurst = clockBurst
	// presenceBusiest is how many acts an hour, on average, a program that sleeps between them makes at most. Proxies,
	// resolvers and busy clients make more, and are not told from one another by hours.
	presenceBusiest = 125.0
	// presenceSpread is the least share of the slots that as many acts without any memory would fill. What people do
	// comes in sessions: a third to two thirds.
	presenceSpread = 0.85
	// presenceSlots is the largest number of slots a day, ten minutes each.
	presenceSlots = 144
	// presenceDoubt: where more than half a candidate (log10) is expected to look like it, it is no presence. Few
	// candidates say no less than that.
	presenceDoubt = -0.3
	// presenceMost is what presence alone weighs: medium, and with a rare destination still no more.
	presenceMost = 0.46
)

// Hours are the hours of a window in which something was active, the first hour first. The zero Hours are none.
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

// Count is how many hours there are.
func (h Hours) Count() int {
	n := 0
	for _, x := range h {
		n += bits.OnesCount64(x)
	}
	return n
}

// Presence is how persistently a candidate is active, whatever its rhythm. The zero Presence is of nothing that
// persists.
type Presence struct {
	// Active is in how many hours of the window it is, of Hours.
	Active, Hours int
	// Pause is the longest time without a connection, seconds.
	Pause float64
	// Spread is how many time slots its acts fill, as a share of those that as many acts at random times would.
	Spread float64
	// Rate is acts an hour in which it is active.
	Rate float64
	// Holds says that all of this is as of a program that is always there, and of nobody who sleeps.
	Holds bool
}

// PresenceFits says that a window of so many seconds is long enough for something to persist.
func PresenceFits(seconds float64) bool { return seconds >= presenceHours*3600 }

// Presence measures the connections that start in the window. In windows of less than presenceHours nothing persists.
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
	// Over the time that it was there: an implant that came at noon is judged from noon on.
	span := max(last-sc.inside[0], length)
	of := math.Ceil(float64(span)/float64(length)) + 1
	p.Spread = float64(filled) / (of * -math.Expm1(-float64(acts)/of))
	p.Rate = float64(acts) / float64(p.Active)
	// Fewer acts than hours are one flood: a strobe is that, and no presence.
	p.Holds = float64(p.Active) >= presenceHours*max(1, math.Floor(days)) && acts >= p.Active && p.Pause <= presencePause &&
		p.Rate <= presenceBusiest && p.Spread >= presenceSpread
	return p
}

// Habits is in how many of a window's hours the candidates of a hunt are active: what presence is measured against. (Of
// their hosts' hours it would say little: what somebody uses at work fills most of a working day, and so of the hours
// of a host that sleeps.) The zero Habits are of no candidate. Candidates are weighed, so that one host with many, or
// one destination of many hosts, does not settle what is usual.
type Habits struct{ weight, sum, squares float64 }

// Add takes in a candidate that is active in so many hours of a window.
func (h *Habits) Add(weight float64, active, hours int) {
	if hours <= 0 || !(weight > 0) {
		return
	}
	x := float64(active) / float64(hours)
	h.weight, h.sum, h.squares = h.weight+weight, h.sum+weight*x, h.squares+weight*x*x
}

// Without takes others out again, such as those of the host that is judged: nobody makes his own presence usual.
func (h Habits) Without(o Habits) Habits {
	return Habits{max(0, h.weight-o.weight), max(0, h.sum-o.sum), max(0, h.squares-o.squares)}
}

// Weight is that of all candidates together.
func (h Habits) Weight() float64 { return h.weight }

// Join adds others.
func (h *Habits) Join(o Habits) {
	h.weight, h.sum, h.squares = h.weight+o.weight, h.sum+o.sum, h.squares+o.squares
}

// LogP is log10 of the chance that a candidate of such habits is active in so many of so many hours, or more: the tail
// of a beta-binomial distribution of their mean and spread. Half a candidate that is always active and half of one that
// never is are added, so that few candidates say little.
func (h Habits) LogP(active, hours int) float64 {
	if active <= 0 || hours <= 0 {
		return 0
	}
	h.Add(0.5, 1, 1)
	h.Add(0.5, 0, 1)
	mean := h.sum / h.weight
	spread := max(0, h.squares/h.weight-mean*mean)
	mean = min(max(mean, 1e-3), 1-1e-3)
	// Of fractions of hours: the variance of a beta-binomial is mean(1-mean)/n (1 + (n-1) rho).
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

// presenceTogether is how much the hours of a candidate belong together at least: sessions reach over several.
const presenceTogether = 0.05

// PresenceScore is a presence in a hunt of a number of candidates.
type PresenceScore struct {
	// Score is the indicator's value, 0..presenceMost; LogP and LogExpected are log10 of the chance of one candidate
	// and of how many of all would look like this.
	Score, LogP, LogExpected float64
	// Host is in how many hours the host was active.
	Host int
}

// Score weighs a presence of a host that is active in so many hours with anything at all, against the habits of the
// other hosts' candidates, in a hunt of so many.
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
