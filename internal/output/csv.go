package output

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// writeCSV prints one row a finding under a header. The columns are a contract: new ones go to the end (docs/output.md).
func writeCSV(w io.Writer, findings []hunt.Finding) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"score", "severity", "source_ip", "destination_ip", "destination_domain", "destination_port", "transport",
		"service", "connections", "bytes", "total_duration_s", "longest_duration_s", "first", "last", "indicators",
		"rita_score", "rita_ts_score", "rita_ds_score", "rita_duration_score", "rita_histogram_score", "rita_connections",
		"internal_ip", "uid", "pair", "finding_id", "event_id", "reasons",
		"beacon_score", "interval_s", "jitter", "coverage", "check_ins", "p_value_log10"}); err != nil {
		return err
	}
	for i := range findings {
		if err := c.Write(csvRow(&findings[i])); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func csvRow(f *hunt.Finding) []string {
	b := f.Beacon
	if b == nil {
		b = &hunt.BeaconScore{}
	}
	return []string{
		number(f.Dwell.Score), f.Dwell.Severity, f.Source.IP.String(), address(f), cell(f.Destination.Domain), strconv.Itoa(f.Destination.Port),
		f.Network.Transport, cell(f.Network.Protocol), strconv.FormatInt(f.Network.Connections, 10), strconv.FormatInt(f.Network.Bytes, 10),
		number(f.Dwell.Connection.Total), number(f.Dwell.Connection.Longest), f.Event.Start.Format(time.RFC3339Nano), f.Event.End.Format(time.RFC3339Nano),
		strings.Join(f.Dwell.Indicators, " "),
		optional(b.RITA), optional(b.TS), optional(b.DS), optional(b.Duration), optional(b.Historical), optionalInt(b.RITAConnections),
		f.Dwell.InternalIP.String(), cell(strings.TrimPrefix(uid(f), "-")), cell(f.Dwell.Pair), f.Dwell.FindingID, f.Event.ID,
		cell(strings.Join(f.Dwell.Reasons, "; ")),
		optional(b.Score), optional(b.Period), optional(b.Jitter), optional(b.Coverage), optionalInt(b.Beats), optional(b.PValueLog),
	}
}

func address(f *hunt.Finding) string {
	if !f.Destination.IP.IsValid() {
		return ""
	}
	return f.Destination.IP.String()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v)
}

func optionalInt(v *int64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatInt(*v, 10)
}
