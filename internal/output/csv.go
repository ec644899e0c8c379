package output

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// writeCSV prints a header and one row per finding. The columns are a contract: new ones go at the end
// (docs/output.md).
func writeCSV(w io.Writer, findings []hunt.Finding) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"score", "severity", "source_ip", "destination_ip", "destination_domain", "destination_port", "transport",
		"service", "connections", "bytes", "total_duration_s", "longest_duration_s", "first", "last", "indicators",
		"rita_score", "rita_ts_score", "rita_ds_score", "rita_duration_score", "rita_histogram_score", "rita_connections",
		"internal_ip", "uid", "pair", "finding_id", "event_id", "reasons",
		"beacon_score", "interval_s", "jitter", "coverage", "check_ins", "p_value_log10",
		"host", "user", "hosts", "active_hosts", "asn", "as_organization", "country", "ja4", "first_seen", "disposition", "assignee", "safelisted_by",
		"campaign_id", "campaign_hosts"}); err != nil {
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
	return append([]string{
		number(f.Dwell.Score), f.Dwell.Severity, f.Source.IP.String(), address(f), cell(f.Destination.Domain), strconv.Itoa(f.Destination.Port),
		f.Network.Transport, cell(f.Network.Protocol), strconv.FormatInt(f.Network.Connections, 10), strconv.FormatInt(f.Network.Bytes, 10),
		number(f.Dwell.Connection.Total), number(f.Dwell.Connection.Longest), f.Event.Start.Format(time.RFC3339Nano), f.Event.End.Format(time.RFC3339Nano),
		strings.Join(f.Dwell.Indicators, " "),
		optional(b.RITA), optional(b.TS), optional(b.DS), optional(b.Duration), optional(b.Historical), optionalInt(b.RITAConnections),
		f.Dwell.InternalIP.String(), cell(strings.TrimPrefix(uid(f), "-")), cell(f.Dwell.Pair), f.Dwell.FindingID, f.Event.ID,
		cell(strings.Join(f.Dwell.Reasons, "; ")),
		optional(b.Score), optional(b.Period), optional(b.Jitter), optional(b.Coverage), optionalInt(b.CheckIns), optional(b.PValueLog),
	}, csvEvidence(f)...)
}

// csvEvidence are the columns for host, destination and disposition, empty if unknown.
func csvEvidence(f *hunt.Finding) []string {
	out := make([]string, 14)
	e := f.Dwell.Evidence
	if e == nil {
		e = &hunt.Evidence{}
	}
	if h := e.Host; h != nil {
		out[0], out[1] = cell(first(h.Names)), cell(first(h.Users))
	}
	if p := e.Prevalence; p != nil {
		out[2], out[3] = strconv.FormatInt(p.Hosts, 10), strconv.FormatInt(p.Active, 10)
	}
	if a := e.ASN; a != nil {
		out[4], out[5] = strconv.FormatInt(a.Number, 10), cell(a.Organization)
	}
	out[6] = cell(e.Country)
	if e.Protocol != nil {
		out[7] = cell(first(e.Protocol.JA4))
	}
	if t := FirstSeen(f); !t.IsZero() {
		out[8] = t.UTC().Format(time.RFC3339)
	}
	out[9], out[10] = f.Dwell.Disposition, cell(f.Dwell.Assignee)
	if f.Dwell.Safelisted && f.Dwell.Safelist != nil {
		out[11] = cell(f.Dwell.Safelist.Name)
	}
	if c := f.Dwell.Campaign; c != nil {
		out[12], out[13] = c.ID, strconv.FormatInt(c.Hosts, 10)
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
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
