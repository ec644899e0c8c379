package scoring_test

import (
	"cmp"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// pairKey is what the captures are scored by.
type pairKey struct {
	src, dst string
	port     int64
	proto    string
}

// scored is a key with everything this package says of it.
type scored struct {
	pairKey
	beacon scoring.Beacon
	score  scoring.BeaconScore
	size   scoring.SizeScore
	long   scoring.Long
	strobe scoring.Strobe
	final  float64
}

// explained is the part of the evidence that follows from port and protocol alone: time and name servers.
func (s *scored) explained() bool {
	return s.proto == "udp" && (s.port == 123 || s.port == 53)
}

// scoreConns scores the last day of a capture's outbound connections by source, destination, port and transport,
// strongest first.
func scoreConns(t testing.TB, conns []conn, internal ...string) []scored {
	t.Helper()
	var networks []netip.Prefix
	for _, n := range internal {
		networks = append(networks, netip.MustParsePrefix(n))
	}
	inside := func(a netip.Addr) bool {
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	series := map[pairKey]*scoring.Series{}
	var end int64
	for _, c := range conns {
		end = max(end, c.start+1)
		dst, _ := netip.ParseAddr(c.dst) // none if it is a name
		if !inside(netip.MustParseAddr(c.src)) || inside(dst) || dst.IsMulticast() || c.dst == "255.255.255.255" || dst.IsLinkLocalUnicast() {
			continue
		}
		k := pairKey{c.src, c.dst, c.port, c.proto}
		s := series[k]
		if s == nil {
			s = &scoring.Series{}
			series[k] = s
		}
		size := c.ipBytes
		if size < 0 {
			size = c.bytes
		}
		s.Start, s.Size, s.Duration = append(s.Start, c.start), append(s.Size, size), append(s.Duration, c.duration)
	}
	w := scoring.Window{Start: end - 86400e3, End: end}
	var sc scoring.Scorer
	var out []scored
	for k, s := range series {
		x := scored{pairKey: k, beacon: sc.Beacon(*s, w), size: sc.Size(*s, w), long: sc.Long(*s, w), strobe: sc.Strobe(*s, w)}
		x.score = x.beacon.Score(len(series))
		x.final = scoring.Indicators{Beacon: x.score.Score * x.size.Factor(), Long: x.long.Score, Strobe: x.strobe.Score}.Strongest()
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.final, a.final), cmp.Compare(b.score.Score, a.score.Score), cmp.Compare(a.dst, b.dst), cmp.Compare(a.port, b.port))
	})
	return out
}

// httpConns reads the logs of a capture without conn.log: each request or session counts as a connection.
func httpConns(t testing.TB, paths ...string) []conn {
	t.Helper()
	var out []conn
	for _, path := range paths {
		for _, v := range zeekTable(t, path, "ts", "id.orig_h", "id.resp_h", "id.resp_p", "request_body_len") {
			out = append(out, conn{src: v[1], dst: v[2], proto: "tcp", port: number(t, v[3]), start: milliseconds(t, v[0]), duration: -1, ipBytes: -1, bytes: number(t, v[4])})
		}
	}
	return out
}

// hostConns reads an HTTP log by the name that each request asked for, or the address where it named none.
func hostConns(t testing.TB, path string) []conn {
	t.Helper()
	var out []conn
	for _, v := range zeekTable(t, path, "ts", "id.orig_h", "id.resp_h", "id.resp_p", "host") {
		if v[4] != "" {
			v[2] = v[4]
		}
		out = append(out, conn{src: v[1], dst: v[2], proto: "tcp", port: number(t, v[3]), start: milliseconds(t, v[0]), duration: -1, ipBytes: -1, bytes: -1})
	}
	return out
}

// TestCapturesTruth asks that every pair that a capture's truth.json names is among its strongest findings that no
// protocol explains: the strongest five, or as many as there are labeled pairs.
func TestCapturesTruth(t *testing.T) {
	root := captures(t)
	type truth struct {
		src, dst string
		port     int64
	}
	for name, c := range map[string]struct {
		conns    []conn
		internal string
		truth    []truth
	}{
		"missing host": {
			readConns(t, filepath.Join(root, "rita", "missing_host")), "73.54.23.243/32",
			[]truth{{"73.54.23.243", "64.225.56.201", 80}},
		},
		"hakai": {
			readConns(t, filepath.Join(root, "iot23-8-1-hakai")), "192.168.100.0/24",
			[]truth{{"192.168.100.113", "178.128.185.250", 50}, {"192.168.100.113", "128.185.250.50", 50}},
		},
		"torii": {
			readConns(t, filepath.Join(root, "iot23-21-1-torii")), "192.168.100.0/24",
			[]truth{{"192.168.100.113", "66.85.157.90", 443}},
		},
		"kovter": {
			httpConns(t, filepath.Join(root, "ctu-kovter-009", "http.log.gz"), filepath.Join(root, "ctu-kovter-009", "ssl.log.gz")), "192.168.1.0/24",
			[]truth{
				{"192.168.1.113", "189.241.104.183", 80}, {"192.168.1.113", "198.36.88.21", 80}, {"192.168.1.113", "82.245.149.235", 80},
				{"192.168.1.113", "189.90.217.247", 80}, {"192.168.1.113", "91.82.226.222", 443}, {"192.168.1.113", "104.16.73.224", 443},
				{"192.168.1.113", "198.144.30.128", 443}, {"192.168.1.113", "208.80.6.60", 443},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := scoreConns(t, c.conns, c.internal)
			var top []scored
			for _, s := range all {
				if !s.explained() {
					top = append(top, s)
				}
			}
			show(t, top)
			top = top[:min(len(top), max(5, len(c.truth)))]
			for _, want := range c.truth {
				at := slices.IndexFunc(top, func(s scored) bool { return s.src == want.src && s.dst == want.dst && s.port == want.port })
				require.GreaterOrEqual(t, at, 0, "%v is not among the first %d", want, len(top))
				require.GreaterOrEqual(t, scoring.SeverityOf(top[at].final), scoring.Medium, "%v", want)
			}
		})
	}
}

// TestCapturesBenign holds what port and protocol leave of high or critical on two days of a Windows desktop, each of
// them truly periodic: an antivirus's and Microsoft's and Dropbox's push services on 008, one on 011. To explain those
// is the evidence's part (business need), not the mathematics'; here they must not become more.
func TestCapturesBenign(t *testing.T) {
	root := captures(t)
	for name, want := range map[string][]string{
		"ctu-normal-008": {"91.228.167.171", "20.199.120.151", "51.104.162.168", "20.54.24.246", "20.54.24.231", "38.90.226.66", "162.125.19.9", "162.125.19.130", "91.228.165.146"},
		"ctu-normal-011": {"35.186.220.184"}, // every 420 s for six hours
	} {
		t.Run(name, func(t *testing.T) {
			all := scoreConns(t, readConns(t, filepath.Join(root, name)), "147.32.80.0/20")
			show(t, all)
			var high []string
			for _, s := range all {
				if !s.explained() && scoring.SeverityOf(s.final) >= scoring.High {
					high = append(high, s.dst)
				}
			}
			require.Subset(t, want, high)
		})
	}
}

// show logs the strongest findings with their reasons, to be read by a person.
func show(t *testing.T, all []scored) {
	t.Helper()
	for _, s := range all[:min(len(all), 12)] {
		if s.final < 0.2 {
			break
		}
		t.Logf("%.3f %s>%s:%d/%s n=%d test %d logp=%.1f Z=%.2f", s.final, s.src, s.dst, s.port, s.proto, s.beacon.Connections, s.beacon.Test, s.beacon.LogP, s.size.Share)
		for _, r := range append(s.beacon.Reasons(len(all)), append(s.long.Reasons(), s.strobe.Reasons()...)...) {
			t.Logf("      %s", r)
		}
	}
}
