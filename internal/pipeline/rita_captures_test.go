package pipeline

import (
	"cmp"
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/rita"
	"dwell/query/zeek"
	"dwell/scoring"
)

// ritaTable reads what RITA v5.1.1 printed: each row by column name.
func ritaTable(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	r.LazyQuotes = true
	all, err := r.ReadAll()
	require.NoError(t, err)
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func ritaNumber(t *testing.T, row map[string]string, column string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(row[column], 64)
	require.NoError(t, err)
	return v
}

// TestRITAsOwnRows hunts captures by RITA's profile and holds every row that RITA v5.1.1 printed for them
// (captures/rita/reference) to ours: the five numbers and the final score within .002, counts, prevalence and severity
// exactly. Rows that differ stand here by name, with the reason.
func TestRITAsOwnRows(t *testing.T) {
	root := captures(t)
	const (
		linking = "RITA links a record or two more or fewer of http and ssl logs to connections (scoring has the same rows)"
		mime    = "RITA has found a response type that does not fit the path, by a list of its own"
		ports   = "RITA keeps what a proxy was asked for apart, by its port, from the same name asked for directly"
	)
	// What RITA v5.1.1 goes by where it is given no configuration.
	code := scoring.RITASettings{Beacon: scoring.Thresholds{Base: 50, Low: 75, Medium: 90, High: 100}}
	dropbox := map[string]string{"147.32.81.167 2.tlu.dl.delivery.mp.microsoft.com": mime, "147.32.81.167 pico.eset.com": mime,
		"147.32.81.167 d.dropbox.com": linking, "147.32.81.167 t8.dropbox.com": linking, "147.32.81.167 update.eset.com": linking}
	slack := map[string]string{"147.32.83.165 sockjs-mt1.pusher.com": linking}
	for _, c := range []struct {
		logs, file string
		internal   string
		direction  hunt.Direction
		since      time.Duration
		set        scoring.RITASettings
		rows       int
		except     map[string]string
	}{
		{"rita/synthetic", "synthetic", "10.0.0.0/8", hunt.Outbound, 0, code, 129, nil},
		{"rita/synthetic", "synthetic_default", "10.0.0.0/8", hunt.Outbound, 0, scoring.RITAShipped(), 129, nil},
		{"rita/missing_host", "missing_host", "64.225.56.201/32", hunt.Both, 24 * time.Hour, code, 174, map[string]string{
			"64.225.56.201 api.snapcraft.io": linking,
			"73.54.23.243 64.225.56.201":     "an SSH connection that began two days before the window was still open: RITA adds all of it to the pair's duration"}},
		{"rita/proxy", "proxytest", "10.0.0.0/8", hunt.Outbound, 0, code, 2, nil},
		{"rita/proxy_rolling", "proxy_rolling", "10.0.0.0/8", hunt.Outbound, 0, code, 40, map[string]string{
			"10.0.0.111 img-getpocket.cdn.mozilla.net": mime, "10.0.0.111 static-ph.custhelp.com": linking,
			"10.0.0.111 tiles-cdn.prod.ads.prod.webservices.mozgcp.net": linking, "10.0.0.238 firefox.settings.services.mozilla.com": ports,
			"10.0.0.238 sp.auth.adobe.com": ports, "10.0.0.238 static.ads-twitter.com": ports}},
		{"iot23-8-1-hakai", "iot23-8-1-hakai", "192.168.100.0/24", hunt.Outbound, 0, code, 8, nil},
		{"iot23-8-1-hakai", "iot23-8-1-hakai_default", "192.168.100.0/24", hunt.Outbound, 0, scoring.RITAShipped(), 8, nil},
		{"iot23-21-1-torii", "iot23-21-1-torii", "192.168.100.0/24", hunt.Outbound, 0, code, 30, nil},
		{"iot23-21-1-torii", "iot23-21-1-torii_default", "192.168.100.0/24", hunt.Outbound, 0, scoring.RITAShipped(), 30, nil},
		{"ctu-normal-008", "ctu-normal-008", "147.32.80.0/20", hunt.Outbound, 0, code, 25, dropbox},
		{"ctu-normal-008", "ctu-normal-008_default", "147.32.80.0/20", hunt.Outbound, 0, scoring.RITAShipped(), 25, dropbox},
		{"ctu-normal-011", "ctu-normal-011", "147.32.80.0/20", hunt.Outbound, 0, code, 122, slack},
		{"ctu-normal-011", "ctu-normal-011_default", "147.32.80.0/20", hunt.Outbound, 0, scoring.RITAShipped(), 122, slack},
	} {
		t.Run(c.file, func(t *testing.T) {
			scope := hunt.NewScope([]netip.Prefix{netip.MustParsePrefix(c.internal)}, c.direction)
			res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{filepath.Join(root, c.logs)}}),
				Options{Ranking: rita.Ranking{Settings: c.set}, Now: time.Now, Request: hunt.Request{Scope: scope, Since: c.since}})
			require.NoError(t, err)
			ours, at := map[string]*hunt.Finding{}, map[string]int{}
			for i := range res.Findings {
				f := &res.Findings[i]
				name := f.Source.IP.String() + " " + cmp.Or(f.Destination.Domain, f.Destination.IP.String())
				ours[name], at[name] = f, i
			}
			rows := ritaTable(t, filepath.Join(root, "rita", "reference", c.file+".final_import.tsv"))
			require.Len(t, rows, c.rows)
			different := map[string]string{}
			type ranked struct {
				final float64
				at    int
			}
			var order []ranked
			for _, row := range rows {
				name := row["src"] + " " + row["dst"]
				if row["fqdn"] != "" { // what a proxy was asked for keeps its port there
					host, _, _ := strings.Cut(row["fqdn"], ":")
					name = row["src"] + " " + host
				}
				f := ours[name]
				if f == nil {
					different[name] = "missing"
					continue
				}
				delete(ours, name)
				if why := ritaDiffers(t, row, f); why != "" {
					different[name] = why
					continue
				}
				order = append(order, ranked{ritaNumber(t, row, "final_score"), at[name]})
			}
			for name, f := range ours {
				// RITA prints what its last import touched: of captures that come by the hour, the last hour.
				if f.Dwell.Severity != "" && (c.since == 0 || res.Reading.Window.End.Sub(f.Event.End.Time) < time.Hour) {
					different[name] = "RITA has no such row, we have " + f.Dwell.Severity
				}
			}
			slices.SortFunc(order, func(a, b ranked) int { return cmp.Compare(a.at, b.at) })
			for i := 1; i < len(order); i++ {
				require.LessOrEqual(t, order[i].final, order[i-1].final+0.002, "rank %d", i)
			}
			require.Equal(t, len(c.except), len(different), "%v", different)
			for name := range c.except {
				require.Contains(t, different, name)
			}
		})
	}
}

// ritaDiffers says in what a finding differs from RITA's row, empty if in nothing.
func ritaDiffers(t *testing.T, row map[string]string, f *hunt.Finding) string {
	t.Helper()
	var why []string
	compare := func(column string, got, within float64) {
		if want := ritaNumber(t, row, column); got < want-within || got > want+within {
			why = append(why, column+" "+row[column]+", ours "+strconv.FormatFloat(got, 'g', 6, 64))
		}
	}
	compare("final_score", rita.Ranking{}.Weight(f), 0.002)
	compare("long_conn_score", f.Dwell.Parts.LongConnection, 0.002)
	compare("strobe_score", f.Dwell.Parts.Strobe, 0)
	compare("prevalence_total", float64(f.Dwell.Evidence.Prevalence.Hosts), 0)
	compare("network_size", float64(f.Dwell.Evidence.Prevalence.Active), 0)
	if ritaNumber(t, row, "beacon_score") > 0 && f.Beacon != nil {
		compare("count", float64(*f.Beacon.RITAConnections), 0)
		for column, got := range map[string]*float64{"beacon_score": f.Beacon.RITA, "ts_score": f.Beacon.TS, "ds_score": f.Beacon.DS,
			"dur_score": f.Beacon.Duration, "hist_score": f.Beacon.Historical} {
			compare(column, *got, 0.002)
		}
	}
	if word := cmp.Or(f.Dwell.Severity, "none"); word != row["severity"] {
		why = append(why, "severity "+row["severity"]+", ours "+word)
	}
	return strings.Join(why, "; ")
}
