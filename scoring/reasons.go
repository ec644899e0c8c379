package scoring

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// beside: rhythms less than a tenth apart count as one.
const beside = 1.1

// Reasons say in plain words why the beacon has its score in a hunt of so many candidates, strongest first. They are
// empty where nothing was tested.
func (b Beacon) Reasons(keys int) []string {
	if b.Test == NoTest {
		return nil
	}
	s := b.Score(keys)
	var out []string
	active := "active for " + Span(b.Covered)
	chance := chance(s.LogExpected, keys)
	switch b.Test {
	case Interval:
		if b.Paused {
			out = append(out, fmt.Sprintf("sleeps %s ±%s after each connection ends, %s of %s pauses, %s; %s", Span(b.Pause), percent(b.Jitter),
				percent(b.Fraction), count(b.Intervals), active, chance))
			break
		}
		out = append(out, fmt.Sprintf("beacons every %s, %s of %s intervals, %s; %s", b.rhythms(),
			percent(b.Fraction), count(b.Intervals), active, chance))
	case Clock:
		out = append(out, fmt.Sprintf("beacons every %s ±%s on a fixed clock, %s of %s connections, in %s of the periods, %s; %s", Span(b.Period),
			percent(b.Jitter), count(b.Modes[0].Intervals), count(b.CheckIns), percent(b.Occupied), active, chance))
	case Schedule:
		out = append(out, fmt.Sprintf("connects at the same time of every %s ±%s, in %s of the periods, %s; %s", Span(b.Period),
			percent(b.Jitter), percent(b.Occupied), active, chance))
	case Lattice:
		out = append(out, fmt.Sprintf("intervals are multiples of %s: %s of %s intervals, %s; %s", Span(b.Period),
			percent(b.Fraction), count(b.Intervals), active, chance))
	case Echo:
		out = append(out, fmt.Sprintf("beacons every %s ±%s under other traffic: about %s of %s connections follow another by one period, %s; %s", Span(b.Period),
			percent(b.Jitter), count(b.Modes[0].Intervals), count(b.CheckIns), active, chance))
	case NoTest:
	}
	// What chance explains is not called a beacon. It says the nearest rhythm all the same, for who looks at one pair.
	if s.LogExpected >= 0 {
		out[0] = "no sign of a beacon; nearest rhythm: " + strings.TrimPrefix(out[0], "beacons ")
	}
	if b.Sized > 0 {
		out = append(out, fmt.Sprintf("only the %s of %s connections of %s bytes have this rhythm", count(b.Sized), count(b.Connections), count(int(b.Size))))
	}
	if b.Burst > 0 && b.Test == Interval {
		out = append(out, fmt.Sprintf("%s connections in %s check-ins: connections less than %s apart count as one", count(b.Connections), count(b.CheckIns), Span(b.Burst)))
	}
	if b.Nights > 0 {
		out = append(out, fmt.Sprintf("%s of %s or more left out, as of nights: a rhythm of working hours", many(b.Nights, "pause"), Span(maskNight/second)))
	}
	if b.Timer {
		out = append(out, "the intervals have a lower bound and no upper bound, like a timer that restarts on use (keep-alive, cache expiry) or like people; low weight")
	}
	return out
}

// rhythms names the modes, the one of Period first. Where the test took one wide rhythm for several beside each other,
// it is one here, with its bounds: an even spread over 30 to 60 s is nothing that check-ins three ways.
func (b Beacon) rhythms() string {
	type band struct {
		main      Mode // of Period, else the most frequent one, of n together
		n         int
		low, high float64
	}
	weight := func(m Mode) int {
		if m == b.Modes[0] {
			return math.MaxInt
		}
		return m.Intervals
	}
	bands := make([]band, 0, maxModes)
	modes := b.Modes
	slices.SortFunc(modes[:b.ModeCount], func(x, y Mode) int { return cmp.Compare(x.low(), y.low()) })
	for _, m := range modes[:b.ModeCount] {
		last := len(bands) - 1
		if last < 0 || m.low() > bands[last].high*beside {
			bands = append(bands, band{m, 1, m.low(), m.high()})
			continue
		}
		o := &bands[last]
		o.n, o.high = o.n+1, max(o.high, m.high())
		if weight(m) > weight(o.main) {
			o.main = m
		}
	}
	slices.SortStableFunc(bands, func(x, y band) int { return cmp.Compare(weight(y.main), weight(x.main)) })
	parts := make([]string, len(bands))
	missed := ""
	for i, n := range bands {
		if times := n.main.Period / bands[0].main.Period; i > 0 && bands[0].n == 1 && n.n == 1 && times > 1.5 {
			// Intervals of two and three periods are the same rhythm where check-ins do not show.
			if k := math.Round(times); k <= missedPeriods && math.Abs(times-k) < 0.1 {
				parts[i], missed = [...]string{"twice that", "three times that"}[int(k)-2], " (missed check-ins)"
				continue
			}
		}
		if n.n > 1 {
			parts[i] = fmt.Sprintf("%s (%s to %s)", Span(n.main.Period), Span(n.low), Span(n.high))
			continue
		}
		parts[i] = Span(n.main.Period) + " ±" + percent(n.main.Jitter)
	}
	return strings.Join(parts, " or ") + missed
}

func (m Mode) low() float64  { return m.Period * (1 - m.Jitter) }
func (m Mode) high() float64 { return m.Period * (1 + m.Jitter) }

// chance says how many of the candidates would look as regular by chance.
func chance(logExpected float64, keys int) string {
	of := fmt.Sprintf("of %s candidates", count(keys))
	if keys == 1 {
		of = "of 1 candidate"
	}
	switch {
	case logExpected < -12:
		return "chance < 1e-12 " + of
	case logExpected < -2:
		return fmt.Sprintf("chance < 1e%.0f %s", math.Ceil(logExpected), of)
	case logExpected < 0:
		return fmt.Sprintf("chance about %.2g %s", math.Pow(10, logExpected), of)
	}
	return fmt.Sprintf("chance about %s %s", count(int(math.Ceil(min(float64(keys), math.Pow(10, logExpected))))), of)
}

// Reasons say what the key's connections cover. Empty if the indicator is 0.
func (l Long) Reasons() []string {
	if l.Score <= 0 {
		return nil
	}
	text := fmt.Sprintf("connected for %s, %s of the window", Span(l.Union), percent(l.Share))
	if l.Connections == 1 {
		return []string{text + " in one connection"}
	}
	text += fmt.Sprintf(" in %s connections, the longest %s", count(l.Connections), Span(l.Longest))
	if l.Pieces == 1 {
		return []string{text + ", without interruption"}
	}
	return []string{text + fmt.Sprintf("; %s, the longest pause %s", many(l.Pieces-1, "reconnect"), Span(l.Hole))}
}

// Reasons say how often the key connects. Empty if the indicator is 0.
func (s Strobe) Reasons() []string {
	if s.Score <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s connections in the busiest day, %s in the busiest hour: one per second or more", count(s.Day), count(s.Hour))}
}

// Reasons say what the names below the domain look like. Empty if the indicator is 0.
func (t DNSTunnel) Reasons() []string {
	if t.Score <= 0 {
		return nil
	}
	out := []string{fmt.Sprintf("%s unique names under one domain, mean length %.0f, entropy %.1f bits per character: room for %s of data",
		count(t.Names), t.Length, t.Entropy, bytes(t.Carried))}
	if t.Unusual > 0 {
		out = append(out, fmt.Sprintf("%s of queries ask for TXT, NULL, CNAME or MX records", percent(t.Unusual)))
	}
	if t.AnswerMean > 0 {
		out = append(out, fmt.Sprintf("answers of %s on average", bytes(t.AnswerMean)))
	}
	if t.Contacted != nil && !*t.Contacted {
		out = append(out, "no host connected to an address in the answers")
	}
	return out
}

// Reason says how alike the sizes are; empty if none is known.
func (z SizeScore) Reason() string {
	if z.Known == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s connections sent %s bytes, ±10%%", percent(z.Share), count(z.Known), count(int(z.Median)))
}

// Span is a length of time in one unit, as hunt.Brief has it in lists: 45s, 5.1m, 23.9h, 2d.
func Span(seconds float64) string {
	switch {
	case seconds < 0.995:
		return decimals(seconds, 2) + "s"
	case seconds < 59.95:
		return decimals(seconds, 1) + "s"
	case seconds < 2*3600-3:
		return decimals(seconds/60, 1) + "m"
	case seconds < 48*3600-180:
		return decimals(seconds/3600, 1) + "h"
	}
	return decimals(seconds/86400, 1) + "d"
}

// decimals writes up to that many, and no zeros at the end.
func decimals(x float64, most int) string {
	s := strconv.FormatFloat(x, 'f', most, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func percent(share float64) string {
	if p := share * 100; p > 0 && p < 0.95 {
		return decimals(p, 1) + "%"
	}
	// 99.6% of the intervals are not all of them.
	if share < 1 && share >= 0.995 {
		return "99%"
	}
	return decimals(share*100, 0) + "%"
}

// count writes a whole number with its thousands apart.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytes(n float64) string {
	switch {
	case n >= 1e6:
		return decimals(n/1e6, 1) + " MB"
	case n >= 1e4:
		return decimals(n/1e3, 0) + " kB"
	}
	return decimals(n, 0) + " bytes"
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// Reasons say in how many hours the candidate is active in a hunt of so many candidates. Empty if that weighs nothing.
func (p Presence) Reasons(s PresenceScore, candidates int) []string {
	if s.Score <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("active in %s of the %s hours in which its host is active, day and night, never silent for more than %s, %s times per hour; %s, measured against other hosts", count(p.Active), count(s.Host),
		Span(p.Pause), decimals(p.Rate, 1), chance(s.LogExpected, candidates))}
}
