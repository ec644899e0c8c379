package elastic

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// wholeSeconds are files as Security Onion's mapping makes their connections: event.duration is a long.
type wholeSeconds struct{ *zeek.Source }

func (w wholeSeconds) Open() *hunt.Session {
	in := w.Source.Open()
	read := in.Connections
	in.Connections = func(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		return read(ctx, req, func(batch []hunt.Connection) error {
			for i := range batch {
				if batch[i].Duration >= 0 {
					batch[i].Duration -= batch[i].Duration % 1000
				}
			}
			return emit(batch)
		})
	}
	return in
}

// keyed is what a hunt says of a key, as far as both ways know it.
type keyed struct {
	Connections, Bytes, Names, Queries int64
	Domain                             string
	Addresses                          int
	Beacon                             float64
	// Modifiers are RITA's, with their values.
	Modifiers string
}

// A simulated morning with beacons to names, one of them behind a proxy, and a DNS tunnel gives the same keys out of
// its files and out of Elasticsearch.
func TestNamesAreTheSameOutOfFilesAndOutOfElasticsearch(t *testing.T) {
	sc := simulate.Default()
	sc.Seed, sc.Hosts, sc.Rate, sc.Destinations, sc.Length = 5, 4, 20, 100, simulate.Duration(3*time.Hour)
	sc.Logs, sc.Services = []string{"conn", "ssl", "http", "dns"}, nil
	beacon := simulate.Talker{Kind: simulate.KindBeacon, Period: simulate.Duration(2 * time.Minute)}
	named, proxied, tunnel := beacon, beacon, beacon
	named.Name, named.Domain = "named", "c2.evil.example"
	proxied.Name, proxied.Domain, proxied.Proxy = "proxied", "cdn.evil.example", true
	tunnel.Name, tunnel.Domain, tunnel.Kind = "tunnel", "t.evil.example", simulate.KindDNSTunnel
	sc.Implants = []simulate.Talker{named, proxied, tunnel}
	dir := t.TempDir()
	_, err := simulate.Run(t.Context(), sc, dir, simulate.Format{JSON: true})
	require.NoError(t, err)

	o := pipeline.Options{Version: "test", Now: time.Now,
		Request: hunt.Request{From: sc.Start, To: sc.Start.Add(time.Duration(sc.Length)), Scope: hunt.NewScope(nil, hunt.Outbound)}}
	keys := func(t *testing.T, src hunt.Source, ranking pipeline.Ranking) map[string]keyed {
		o.Ranking = ranking
		res, err := pipeline.Run(t.Context(), src, o)
		require.NoError(t, err)
		require.Empty(t, res.Reading.Gaps)
		out := map[string]keyed{}
		for _, f := range res.Findings {
			k := keyed{Connections: f.Network.Connections, Domain: f.Destination.Domain, Beacon: f.Dwell.Parts.Beacon}
			if f.Dwell.DNS != nil {
				k.Names, k.Queries = f.Dwell.DNS.Names, f.Dwell.DNS.Queries
			} else {
				k.Bytes = f.Network.Bytes // Of a tunnel it is the answers', which an index cannot give.
			}
			if f.Dwell.Evidence != nil {
				k.Addresses = f.Dwell.Evidence.AddressCount
			}
			if ranking.Profile() == rita.Profile {
				for _, m := range f.Dwell.Modifiers {
					k.Modifiers += fmt.Sprintf("%s %+.2f ", m.Name, m.Value)
				}
			}
			out[f.Dwell.Pair] = k
		}
		return out
	}
	both := wholeSeconds{zeek.New(zeek.Options{Paths: []string{dir}})}
	files, byRITA := keys(t, both, rank.Ranking{}), keys(t, both, rita.Ranking{})
	signed := 0
	for _, k := range byRITA {
		signed += strings.Count(k.Modifiers, "rare_signature +0.15")
	}
	require.Positive(t, signed, "no signature is rare")
	for _, domain := range []string{"c2.evil.example", "cdn.evil.example", "evil.example"} {
		n := 0
		for _, k := range files {
			if k.Domain == domain {
				n++
			}
		}
		require.Positivef(t, n, "no key of %s", domain)
	}
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		for _, log := range sc.Logs {
			b, err := os.ReadFile(filepath.Join(dir, log+".log"))
			require.NoError(t, err)
			c.lines(t, index, log, strings.Split(strings.TrimSpace(string(b)), "\n")...)
		}
		src, err := New(c.Client, Options{Index: []string{index}, SliceDocs: 1000})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(files, keys(t, src, rank.Ranking{})))
		require.Empty(t, cmp.Diff(byRITA, keys(t, src, rita.Ranking{})))
	})
}
