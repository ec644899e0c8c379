package output

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// The files that Security Onion's RITA integration reads from /nsm/rita. The columns are RITA v4's.
const (
	ritaBeacons = "beacons.csv"
	ritaLong    = "long-connections.csv"
	ritaDNS     = "exploded-dns.csv"
)

// RITAReport is what WriteRITA wrote and left out.
type RITAReport struct {
	Beacons, Long, DNS int
	// Capped is how many numbers exceeded what the integration can store (2,147,483,647) and were capped.
	Capped int
	// Left are findings with a beacon or a long connection but no address, which RITA's format requires. Strobes is the
	// number of findings that are strobes only, for which RITA v4 has no file.
	Left, Strobes int
}

// String is a one-line summary.
func (r RITAReport) String() string {
	text := fmt.Sprintf("%d beacons, %d long connections, %d DNS tunnels in RITA's form", r.Beacons, r.Long, r.DNS)
	if r.Capped > 0 {
		text += fmt.Sprintf("; %d numbers cut to 2147483647, the most that the integration stores", r.Capped)
	}
	if r.Left > 0 {
		text += fmt.Sprintf("; %d findings left out, they have no single address", r.Left)
	}
	if r.Strobes > 0 {
		text += fmt.Sprintf("; %d strobes left out, RITA v4 has no file for them", r.Strobes)
	}
	return text
}

// WriteRITA writes the findings into dir as the three files of Security Onion's RITA integration, each atomically,
// replacing those of the last hunt. They have no header, because Security Onion 3's integration does not skip it and
// would reject the line. A file without rows is empty. The score is the finding's own (dwell.score, three decimals),
// the other numbers are RITA v5's, 0 where missing.
func WriteRITA(dir string, findings []hunt.Finding) (RITAReport, error) {
	r := &ritaRows{}
	for i := range findings {
		r.add(&findings[i])
	}
	for name, rows := range map[string][][]string{ritaBeacons: r.beacons, ritaLong: r.long, ritaDNS: r.dns} {
		var b bytes.Buffer
		c := csv.NewWriter(&b)
		if err := c.WriteAll(rows); err != nil {
			return r.report, fmt.Errorf("encode %s: %w", name, err)
		}
		if err := atomicfile.WriteBytes(filepath.Join(dir, name), 0o640, b.Bytes()); err != nil {
			return r.report, err
		}
	}
	r.report.Beacons, r.report.Long, r.report.DNS = len(r.beacons), len(r.long), len(r.dns)
	return r.report, nil
}

type ritaRows struct {
	beacons, long, dns [][]string
	report             RITAReport
}

func (r *ritaRows) add(f *hunt.Finding) {
	has := func(indicator string) bool { return slices.Contains(f.Dwell.Indicators, indicator) }
	if has(hunt.DNSTunnel) && f.Dwell.DNS != nil {
		r.dns = append(r.dns, []string{cell(strings.ToLower(f.Destination.Domain)), r.integer(float64(f.Dwell.DNS.Names)), r.integer(float64(f.Dwell.DNS.Queries))})
	}
	beacon, long := has(hunt.Beacon), has(hunt.LongConnection)
	if !beacon && !long {
		if has(hunt.Strobe) {
			r.report.Strobes++
		}
		return
	}
	to := busiest(f)
	if !to.IsValid() || !f.Source.IP.IsValid() {
		r.report.Left++
		return
	}
	if beacon {
		r.beacons = append(r.beacons, r.beacon(f, to))
	}
	if long {
		state := "closed"
		if f.Dwell.Connection.Open != nil {
			state = "open"
		}
		r.long = append(r.long, []string{f.Source.IP.String(), to.String(), service(f), fixed(f.Dwell.Connection.Longest, 3), state})
	}
}

func (r *ritaRows) beacon(f *hunt.Finding, to netip.Addr) []string {
	b := f.Beacon
	if b == nil {
		b = &hunt.BeaconScore{}
	}
	top := 0.0
	if b.Interval != nil {
		top = b.Interval.Top
	}
	or0 := func(v *float64) string {
		if v == nil {
			return "0"
		}
		return fixed(*v, 3)
	}
	return []string{fixed(f.Dwell.Score, 3), f.Source.IP.String(), to.String(), r.integer(float64(f.Network.Connections)),
		fixed(f.Network.AverageBytes, 3), r.integer(float64(f.Network.Bytes)), or0(b.TS), or0(b.DS), or0(b.Duration), or0(b.Historical), r.integer(top)}
}

// integer rounds and caps to a 32-bit field: a larger number would make the whole document fail.
func (r *ritaRows) integer(v float64) string {
	if v > math.MaxInt32 {
		r.report.Capped++
		v = math.MaxInt32
	}
	return strconv.FormatInt(int64(math.Round(v)), 10)
}

// fixed never uses an exponent, which the integration cannot read.
func fixed(v float64, decimals int) string {
	return strconv.FormatFloat(math.Round(v*math.Pow10(decimals))/math.Pow10(decimals), 'f', -1, 64)
}

// busiest is the address that represents the destination: the pair's, or the most used one behind a name or in a
// network.
func busiest(f *hunt.Finding) netip.Addr {
	if !f.Destination.IP.IsValid() && f.Dwell.Evidence != nil && len(f.Dwell.Evidence.Addresses) > 0 {
		return f.Dwell.Evidence.Addresses[0]
	}
	return f.Destination.IP
}

// service is port:transport:service. The integration splits that line at commas and colons and does not support quotes,
// so the value is limited to letters, digits and a few signs; several services are joined by a plus.
func service(f *hunt.Finding) string {
	plain := func(s string) string {
		if s == "" {
			return "-"
		}
		return strings.Map(func(c rune) rune {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.':
				return c
			case c == ',':
				return '+'
			}
			return '_'
		}, s)
	}
	return strconv.Itoa(f.Destination.Port) + ":" + plain(f.Network.Transport) + ":" + plain(f.Network.Protocol)
}
