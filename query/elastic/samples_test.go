package elastic

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// sample makes a finding whose last connection to a port started at an offset of milliseconds.
func sample(src, dst string, port int, offset int64) hunt.Finding {
	f := hunt.Finding{Timestamp: hunt.At(day.UnixMilli() + offset), Network: hunt.Network{Transport: "tcp"}, Destination: hunt.Destination{Port: port}}
	f.Source.IP = netip.MustParseAddr(src)
	if dst != "" {
		f.Destination.IP = netip.MustParseAddr(dst)
	}
	return f
}

func TestSample(t *testing.T) {
	line := func(uid, src, dst string, port int, offset int64) string {
		return fmt.Sprintf(`{"ts":%.3f,"uid":%q,"id.orig_h":%q,"id.orig_p":50000,"id.resp_h":%q,"id.resp_p":%d,"proto":"tcp"}`,
			float64(day.UnixMilli()+offset)/1000, uid, src, dst, port)
	}
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.lines(t, index, "conn",
			line("Cearlier", "10.0.0.1", "203.0.113.1", 443, 4_999), line("Clast2", "10.0.0.1", "203.0.113.1", 443, 5_000),
			line("Clast1", "10.0.0.1", "203.0.113.1", 443, 5_000), line("Cport", "10.0.0.1", "203.0.113.1", 80, 5_000), line("Cother", "10.0.0.1", "198.51.100.9", 443, 5_000),
			line("Czero", "10.0.0.2", "0.0.0.0", 443, 6_000), line("Cquery", "10.0.0.3", "10.0.0.53", 53, 7_000),
			line("Cproxy", "10.0.0.4", "10.0.0.8", 3128, 8_000))
		query := func(uid, name string) string {
			return fmt.Sprintf(`{"ts":%.3f,"uid":%q,"id.orig_h":"10.0.0.3","id.orig_p":50001,"id.resp_h":"10.0.0.54","id.resp_p":53,"proto":"udp","query":%q}`,
				float64(day.UnixMilli()+7_000)/1000, uid, name)
		}
		c.lines(t, index, "dns", query("Cname", "x1.Tunnel.example"), query("Cbefore", "www.other.example"))
		findings := []hunt.Finding{
			sample("10.0.0.1", "203.0.113.1", 443, 5_000),
			sample("10.0.0.1", "203.0.113.1", 443, 5_000), // The same, found under a name.
			sample("10.0.0.2", "0.0.0.0", 443, 6_000),
			sample("10.0.0.1", "", 443, 5_000),         // A network.
			sample("10.0.0.1", "", 443, 5_000),         // Another, of the same moment.
			sample("10.0.0.1", "", 443, 5_000),         // One that holds no such connection.
			sample("10.0.0.3", "10.0.0.53", 53, 7_000), // A tunnel, which a connection of its resolver must not stand for.
			sample("10.0.0.9", "203.0.113.1", 443, 5_000),
			sample("10.0.0.4", "10.0.0.8", 443, 8_000), // A name that a proxy was asked for, at its own port.
		}
		for i, network := range []string{"203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24"} {
			findings[3+i].Dwell.Destination = &hunt.DestinationNetwork{Network: network}
		}
		findings[6].Dwell.DNS, findings[6].Destination.Domain, findings[6].Network.Transport = &hunt.DNSEvidence{Names: 100}, "tunnel.example", "udp"
		findings[8].Destination.Domain = "cdn.example"
		src, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		require.NoError(t, src.Sample(t.Context(), findings))
		got := make([]string, len(findings))
		for i, f := range findings {
			if f.Log != nil {
				got[i] = fmt.Sprintf("%s %d %s", f.Log.ID.UID, f.Source.Port, f.Observer.Name)
				number := map[string]uint8{"tcp": 6, "udp": 17}[f.Network.Transport]
				to := hunt.Endpoint{IP: f.Destination.IP, Port: f.Destination.Port}
				if f.Dwell.Sample != nil {
					to = *f.Dwell.Sample
					got[i] += fmt.Sprintf(" to %s:%d", to.IP, to.Port)
				}
				require.Equal(t, securityonion.CommunityID(number, f.Source.IP, to.IP, uint16(f.Source.Port), uint16(to.Port)), f.Network.CommunityID, "%d", i)
			}
		}
		require.Empty(t, cmp.Diff([]string{"Clast1 50000 sensor1", "Clast1 50000 sensor1", "Czero 50000 sensor1", "Clast1 50000 sensor1 to 203.0.113.1:443",
			"Cother 50000 sensor1 to 198.51.100.9:443", "", "Cname 50001 sensor1 to 10.0.0.54:53", "", "Cproxy 50000 sensor1 to 10.0.0.8:3128"}, got))
		require.Equal(t, "x1.tunnel.example", findings[6].Dwell.DNS.Query)
	})
}

// Without a finding that has a connection of its own, nothing is asked.
func TestSampleAsksNothingInVain(t *testing.T) {
	fake := canned(estest.JSON("{}"), estest.JSON("{}"))
	src := cannedSource(t, fake)
	require.NoError(t, src.Sample(t.Context(), []hunt.Finding{sample("10.0.0.1", "", 0, 0)}))
	for _, r := range fake.Requests() {
		require.False(t, r.Is("/_search"), "%s", r.Body)
	}
}
