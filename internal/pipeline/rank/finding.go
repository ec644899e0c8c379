package rank

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// subject makes the finding of a key, scored in a hunt of this many keys, ready for judgment.
func (s *search) subject(k *key, tested int) *evidence.Candidate {
	values := k.indicators(tested)
	f := s.m.Finding(&material.Candidate{PairKey: k.PairKey, Port: k.port, Ports: k.ports, Totals: k.totals},
		hunt.Parts{Beacon: values.Beacon, LongConnection: values.Long, Strobe: values.Strobe, Presence: values.Presence, Listed: values.Listed})
	f.Beacon, f.Dwell.Timeline, f.Dwell.DwellTime = k.beaconFields(tested), k.timeline, k.began(values, s.m.Window)
	f.Dwell.Evidence = &hunt.Evidence{}
	if k.count > 1 || k.Name != "" && k.count > 0 {
		f.Dwell.Evidence.Addresses, f.Dwell.Evidence.AddressCount = k.addresses, k.count
	}
	k.still = f.Dwell.Connection.Open
	f.Dwell.Indicators, f.Dwell.Reasons = k.reasons(values, tested)
	f.Rule = material.Rule(f.Dwell.Indicators)
	sub := evidence.NewCandidate(k.PairKey, values, &f, s.weights)
	sub.Timer = k.beacon.Timer
	if k.closing != "" {
		sub.Last(k.closing)
	}
	sub.Sizes, sub.Silent, sub.Refused = k.size, k.totals.Silent, k.totals.Refused
	s.spread.Judge(sub, k.candidate(tested))
	s.serves(sub, k.port)
	if what := s.servers.configured(&k.PairKey); what != "" {
		sub.Explain(scoring.Strong, "it is "+what)
	}
	if values.Beacon >= values.Strongest() {
		s.chance(sub, k, tested)
	}
	return sub
}

// began is when a key's rhythm began in the window; nil if it has none, or if that is unknown.
func (k *key) began(v scoring.Indicators, w hunt.Window) *hunt.DwellTime {
	if v.Beacon < material.Floor || k.beacon.Test == scoring.NoTest {
		return nil
	}
	numbers := k.of.numbers()
	starts := make([]int64, 0, len(numbers))
	for _, n := range numbers {
		if at := int64(n >> 16); at >= w.Start.UnixMilli() {
			starts = append(starts, at)
		}
	}
	at, ok := scoring.Began(starts, w.Start.UnixMilli(), k.beacon.Period, k.beacon.Jitter)
	if !ok {
		return nil
	}
	return &hunt.DwellTime{RhythmSince: hunt.At(at)}
}

// shortWindow is the window, in hours, below which a rhythm alone is high at most: nothing shows that it lasts.
const shortWindow = 6

// chance lowers a severity that rests on a rhythm to what its chance allows.
func (s *search) chance(sub *evidence.Candidate, k *key, tested int) {
	most := k.beacon.Chance(tested)
	why := fmt.Sprintf("chance about %.2g of %s, so the rhythm is %s at most",
		math.Pow(10, k.beacon.Score(tested).LogExpected), hunt.Many(tested, "candidate"), most)
	if length := s.m.Window.Duration(); most == scoring.Critical && length < shortWindow*time.Hour {
		most, why = scoring.High, fmt.Sprintf("high at most: a window of %s does not show that it lasts", hunt.Brief(length.Seconds()))
	}
	if most < scoring.Critical {
		sub.AtMostByChance(most, why)
	}
}

// reasons returns the indicators and the reasons for them, strongest first.
func (k *key) reasons(v scoring.Indicators, tested int) (indicators, reasons []string) {
	return k.reasonsWith(v, tested, nil)
}

// reasonsWith is reasons for a key with queried names.
func (k *key) reasonsWith(v scoring.Indicators, tested int, tunnel []string) (indicators, reasons []string) {
	type one struct {
		value   float64
		name    string
		reasons []string
	}
	fired := []one{
		{v.Beacon, hunt.Beacon, k.beaconReasons(v.Beacon, tested)},
		{v.Long, hunt.LongConnection, k.longReasons()},
		{v.Strobe, hunt.Strobe, k.strobe.Reasons()},
		{v.Presence, hunt.Presence, k.presence.Reasons(k.shown, tested)},
		{v.DNSTunnel, hunt.DNSTunnel, tunnel},
		{v.Listed, hunt.OnList, nil},
	}
	slices.SortStableFunc(fired, func(a, b one) int { return cmp.Compare(b.value, a.value) })
	indicators, reasons = []string{}, []string{}
	for _, f := range fired {
		if f.value >= material.Floor {
			indicators = append(indicators, f.name)
			reasons = append(reasons, f.reasons...)
		}
	}
	if len(reasons) == 0 {
		reasons = k.beaconReasons(v.Beacon, tested)
	}
	return indicators, reasons
}

func (k *key) longReasons() []string {
	reasons := k.long.Reasons()
	if k.still != nil && len(reasons) > 0 {
		reasons = append(reasons, k.still.String())
	}
	return reasons
}

func (k *key) beaconReasons(value float64, tested int) []string {
	reasons := k.beacon.Reasons(tested)
	// Different sizes are no reason, though they lower the score.
	if text := k.size.Reason(); text != "" && value > 0 && k.size.Share >= 0.5 {
		reasons = append(reasons, text)
	}
	return reasons
}
