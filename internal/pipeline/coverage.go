package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// cover asks the source how much of the traffic was seen. If the source cannot say, that is a gap and does not end the
// hunt.
func (r *Result) cover(ctx context.Context, in *hunt.Session, m *material.Material) (hunt.Coverage, error) {
	if in.Coverage == nil || r.Reading.Window == (hunt.Window{}) {
		return hunt.Coverage{Sensors: r.Reading.Sensors}, nil
	}
	seen, remarks, err := in.Coverage(ctx, m.LookUp())
	r.Reading.Add(remarks)
	if err != nil {
		if ctx.Err() != nil {
			return seen, ctx.Err()
		}
		r.Reading.Gaps = append(r.Reading.Gaps, hunt.Note{What: "how much each sensor saw is not known: " + err.Error()})
	}
	if r.Reading.Logs == nil {
		r.Reading.Logs = seen.Logs
	}
	if seen.Sensors == nil {
		seen.Sensors = r.Reading.Sensors
	}
	return seen, nil
}

// maxSensors is the number of sensors in a statement, those with the fewest hours first. lossLimit is the percentage of
// loss above which the coverage is incomplete.
const (
	maxSensors = 50
	lossLimit  = 5
	fewLacks   = 3
)

// covered puts coverage into a statement; lacks is what makes the coverage incomplete.
func covered(s *hunt.Statement, seen *hunt.Coverage) (told, lacks []string) {
	list := slices.Clone(seen.Sensors)
	slices.SortFunc(list, func(a, b hunt.SensorHours) int {
		return cmp.Or(cmp.Compare(a.Hours, b.Hours), cmp.Compare(a.Name, b.Name))
	})
	s.SensorCount = int64(len(list))
	s.Sensors = list[:min(len(list), maxSensors)]
	var short []string
	for _, sensor := range list {
		if float64(sensor.Hours) < cleanHours*float64(s.Hours) {
			short = append(short, fmt.Sprintf("%s has connections in %s of %s hours", sensorName(sensor.Name), hunt.Count(sensor.Hours), hunt.Count(s.Hours)))
		}
	}
	if more := len(short) - fewLacks; more > 0 {
		short = append(short[:fewLacks], hunt.Many(more, "more sensor")+" likewise")
	}
	if n := len(list); n == 1 {
		told = append(told, "1 sensor")
	} else if n > 1 {
		told = append(told, fmt.Sprintf("%s sensors, of which %s has the fewest hours with connections: %s of %s", hunt.Count(n), sensorName(list[0].Name), hunt.Count(list[0].Hours), hunt.Count(s.Hours)))
	}
	s.CaptureLoss = lossOf(seen.Loss, func(l hunt.PeerLoss) (int64, int64) { return l.Gaps, l.Acks })
	s.Dropped = lossOf(seen.Loss, func(l hunt.PeerLoss) (int64, int64) { return l.Dropped, l.Packets })
	for _, l := range []struct {
		share *hunt.LossShare
		what  string
	}{{s.CaptureLoss, "of acknowledgements were for data that Zeek never saw"}, {s.Dropped, "of packets were dropped before Zeek saw them"}} {
		if l.share == nil {
			continue
		}
		text := percent(l.share.Percent) + " " + l.what
		if l.share.WorstPeer != "" {
			text += " (" + l.share.WorstPeer + ": " + percent(l.share.WorstPercent) + ")"
		}
		told = append(told, text)
		if max(l.share.Percent, l.share.WorstPercent) > lossLimit { // what one sensor does not see, no other does
			short = append(short, text)
		}
	}
	if s.CaptureLoss == nil && s.Dropped == nil {
		told = append(told, "packet loss unknown (no capture_loss or stats log)")
	}
	return told, short
}

func sensorName(name string) string {
	if name == "" {
		return "a sensor without a name"
	}
	return "sensor " + name
}

// lossOf adds up losses; nil if none was counted.
func lossOf(list []hunt.PeerLoss, of func(hunt.PeerLoss) (lost, all int64)) *hunt.LossShare {
	var out *hunt.LossShare
	var lost, all int64
	for _, l := range list {
		n, of := of(l)
		if of <= 0 {
			continue
		}
		lost, all = lost+n, all+of
		share := 100 * float64(n) / float64(of)
		if out == nil || share > out.WorstPercent {
			out = &hunt.LossShare{WorstPercent: material.Round(share), WorstPeer: strings.Trim(l.Sensor+" "+l.Peer, " ")}
		}
	}
	if out != nil {
		out.Percent = material.Round(100 * float64(lost) / float64(all))
	}
	return out
}

// percent is a percentage with two significant digits, never in exponent form.
func percent(p float64) string {
	digits := 0
	switch {
	case p == 0 || p >= 10:
	case p >= 1:
		digits = 1
	case p >= 0.1:
		digits = 2
	default:
		digits = 3
	}
	return strconv.FormatFloat(p, 'f', digits, 64) + "%"
}

// logCoverage says how many of the hours with connections each log besides conn covers.
func logCoverage(logs []hunt.LogHours, connected int64) (out []hunt.LogCoverage) {
	for _, l := range logs {
		out = append(out, hunt.LogCoverage{Log: l.Log, Hours: l.Hours, Of: connected, First: hunt.At(l.First), Last: hunt.At(l.Last),
			Whole: float64(l.Hours) >= coveredHours*float64(connected)})
	}
	return out
}

// confide notes in findings the logs that they rest on and that do not cover the hours with connections.
func confide(findings []hunt.Finding, logs []hunt.LogCoverage) {
	short := map[string]hunt.LogCoverage{}
	for _, l := range logs {
		if !l.Whole {
			short[l.Log] = l
		}
	}
	for i := range findings {
		f := &findings[i]
		on := map[string]bool{"dns": f.Dwell.DNS != nil}
		if f.Dwell.DNS == nil && f.Destination.Domain != "" { // a candidate by name
			on[map[bool]string{true: "http", false: "ssl"}[strings.Contains(f.Network.Protocol, "http")]] = true
		}
		for _, m := range f.Dwell.Modifiers {
			if t := evidence.TermOf(m.Name); t != nil {
				on[t.Log] = true
			}
		}
		for _, log := range slices.Sorted(maps.Keys(on)) {
			if l, ok := short[log]; ok && on[log] {
				f.Dwell.Coverage = append(f.Dwell.Coverage, l)
				f.Dwell.Reasons = append(f.Dwell.Reasons, fmt.Sprintf("rests on the %s log, which covers %s of %s hours with connections: confidence is lower", log, hunt.Count(l.Hours), hunt.Count(l.Of)))
			}
		}
	}
}
