package scoring

// Thresholds are the values at which a score begins, and at which it is low, medium and high. They ascend.
type Thresholds struct{ Base, Low, Medium, High float64 }

// RITASettings are the settings in which RITA's code and its shipped configuration differ.
type RITASettings struct {
	// Beacon are the thresholds of the beacon score, in percent.
	Beacon Thresholds
	// Rare is added for a destination that few hosts contact, Common subtracted for one that many do.
	Rare, Common float64
	// RareSignature is added for a signature that the source shows to one destination alone.
	RareSignature float64
}

// RITAShipped is the configuration that RITA v5.1.1 ships: what its users see.
func RITAShipped() RITASettings {
	return RITASettings{Beacon: Thresholds{50, 70, 90, 100}, Rare: 0.15, Common: 0.15, RareSignature: 0.15}
}

// RITA's other modifiers, the same in its code and its shipped configuration.
const (
	// RITANew is added for what was first seen at most RITANewDays ago, RITAKnown subtracted at RITAKnownDays or more.
	RITANew, RITAKnown         = 0.15, 0.15
	RITANewDays, RITAKnownDays = 7, 30
	// RITAMissingHost is for HTTP without a Host.
	RITAMissingHost = 0.10
	// RITAIntel is the threat of what an indicator list names; RITAIntelData is added at RITAIntelBytes or more.
	RITAIntel, RITAIntelData = 0.8, 0.15
	RITAIntelBytes           = 25_000_000
	// RITANoDirect is added for a domain whose addresses were contacted only by hosts that queried its names.
	RITANoDirect = 0.15
)

// The largest share of all hosts at which a destination is rare to RITA, and the least at which it is common.
const ritaRare, ritaCommon = 0.02, 0.5

func ritaLongThresholds() Thresholds { return Thresholds{3600, 14400, 28800, 43200} }
func ritaDNSThresholds() Thresholds  { return Thresholds{100, 500, 800, 1000} }

// RITAStrobeConnections is the least number of connections that RITA calls a strobe, not a beacon.
const RITAStrobeConnections = 86400

// BucketedScore turns a value into RITA's threat score: 0 below t.Base, then linear from 0.2 to 0.4, 0.6 and 0.8, which
// it reaches at t.High and keeps. NaN gives 0.
func BucketedScore(value float64, t Thresholds) float64 {
	line := func(from, to, score float64) float64 {
		return score + 0.2*(value-from)/(to-from)
	}
	switch {
	case value >= t.High:
		return 0.8
	case value >= t.Medium:
		return line(t.Medium, t.High, 0.6)
	case value >= t.Low:
		return line(t.Low, t.Medium, 0.4)
	case value >= t.Base:
		return line(t.Base, t.Low, 0.2)
	}
	return 0
}

// BeaconThreat is RITA's threat score of a beacon score (0..1).
func (r RITASettings) BeaconThreat(score float64) float64 { return BucketedScore(score*100, r.Beacon) }

// Prevalence is RITA's modifier for a destination that hosts of all internal hosts contact; 0 for none. With fewer than
// fifty hosts nothing is rare to RITA; with one or two everything is common.
func (r RITASettings) Prevalence(hosts, all int64) float64 {
	if hosts <= 0 || all <= 0 {
		return 0
	}
	switch share := float64(hosts) / float64(all); {
	case share <= ritaRare:
		return r.Rare
	case share >= ritaCommon:
		return -r.Common
	}
	return 0
}

// RITALongConnectionThreat is RITA's threat score of the summed durations of a pair's connections, in seconds.
func RITALongConnectionThreat(seconds float64) float64 {
	return BucketedScore(seconds, ritaLongThresholds())
}

// RITADNSThreat is RITA's threat score of a number of distinct names under one registered domain.
func RITADNSThreat(names int64) float64 {
	return BucketedScore(float64(names), ritaDNSThresholds())
}

// RITAStrobeThreat is 0.8 for a strobe (RITAStrobeConnections or more), else 0.
func RITAStrobeThreat(connections int64) float64 {
	if connections >= RITAStrobeConnections {
		return 0.8
	}
	return 0
}

// RITAFinal is RITA's final score: the strongest threat plus the sum of the modifiers. RITA does not clamp it, so it
// may be above 1 or below 0. Its severity is SeverityOf.
func RITAFinal(modifiers float64, threats ...float64) float64 {
	strongest := 0.0
	for _, t := range threats {
		strongest = max(strongest, t)
	}
	return strongest + modifiers
}
