package kibana

// Format is how the data view displays a field; empty is Kibana's default.
type Format string

// The formats.
const (
	Bytes    Format = "bytes"
	Duration Format = "duration"
	Score    Format = "score"
)

// Formats are the fields with a format: durations, bytes with a unit, scores with two decimals.
var Formats = func() map[string]Format {
	m := map[string]Format{}
	for format, fields := range map[Format][]string{
		Bytes:    {"network.bytes", "client.bytes", "server.bytes", "network.average_bytes"},
		Duration: {"beacon.period", "beacon.interval.top", "dwell.connection.longest_duration", "dwell.connection.total_duration", "dwell.hunt.lag", "dwell.dwell_time.seconds"},
		Score: {"dwell.score", "dwell.parts.beacon", "dwell.parts.long_connection", "dwell.parts.strobe", "dwell.parts.dns_tunnel", "dwell.parts.presence", "dwell.parts.listed", "dwell.parts.anomaly",
			"beacon.score", "beacon.jitter", "beacon.rita_score", "beacon.ts_score", "beacon.ds_score", "beacon.duration_score", "beacon.historical_score"},
	} {
		for _, f := range fields {
			m[f] = format
		}
	}
	return m
}()

// Labels are the headings of fields that saved searches show; Kibana shows the field's name for others.
var Labels = map[string]string{
	"event.severity_label": "Severity", "dwell.score": "Score", "dwell.pair": "Pair", "rule.name": "Rule", "beacon.period": "Interval",
	"network.connections": "Connections", "dwell.reasons": "Reasons", "dwell.links.soc_hunt": "In Hunt", "dwell.links.kibana": "In Discover",
	"dwell.window.start": "Window from", "dwell.window.end": "Window to", "message": "Alert", "source.ip": "Source", "destination.ip": "Destination",
	"destination.port": "Port", "event.acknowledged": "Acknowledged", "event.escalated": "Escalated", "dwell.disposition": "Disposition",
	"user.name": "By", "dwell.note": "Note", "dwell.hunt.complete": "Complete", "dwell.hunt.connections": "Connections read", "dwell.hunt.pairs": "Pairs",
	"dwell.hunt.findings": "Findings", "dwell.hunt.gaps": "Gaps",
}
