package scoring

// Thresholds are where a value begins to count, and where it is low, medium and high. They ascend.
type Thresholds struct{ Base, Low, Medium, High float64 }

// The thresholds of RITA v5.1.1, as its code has them (its shipped configuration lowers the beacon's 75 to 70).
func ritaBeaconThresholds() Thresholds { return Thresholds{50, 75, 90, 100} }
func ritaLongThresholds() Thresholds   { return Thresholds{3600, 14400, 28800, 43200} }
func ritaDNSThresholds() Thresholds    { return Thresholds{100, 500, 800, 1000} }

// RITAStrobeConnections is the number of connections from which RITA calls a pair a strobe, and no beacon.
const RITAStrobeConnections = 86400

// BucketedScore turns a value into RITA's threat score: 0 below t.Base, then straight lines from 0.2 to 0.4, 0.6 and
// 0.8, which it reaches at t.High and keeps. NaN gives 0.
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

// RITABeaconThreat is RITA's threat score of a beacon score (0..1).
func RITABeaconThreat(score float64) float64 {
	return BucketedScore(score*100, ritaBeaconThresholds())
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

// RITAFinal is RITA's final score: the strongest threat, plus the sum of the modifiers. RITA does not clamp it: it may
// be above 1 or below 0. Its severity is SeverityOf.
func RITAFinal(modifiers float64, threats ...float64) float64 {
	strongest := 0.0
	for _, t := range threats {
		strongest = max(strongest, t)
	}
	return strongest + modifiers
}
