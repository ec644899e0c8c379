package zeek

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/simulate"
	"dwell/query/zeek/log"
)

// TestFactsOfWhatWasSeen: what reading names and queries noted on the way gives the same facts as reading all logs
// again, of a simulated day, for every pair of addresses and every name in it; and so it does where there was no room
// for the answers. A window that was not read is looked up.
func TestFactsOfWhatWasSeen(t *testing.T) {
	sc := simulate.Default()
	sc.Hosts, sc.Length = 12, simulate.Duration(8*time.Hour)
	dir := t.TempDir()
	_, err := simulate.Run(t.Context(), sc, dir, simulate.Format{JSON: true, Gzip: true, Hourly: true})
	require.NoError(t, err)
	scope := hunt.NewScope(nil, hunt.Outbound)

	read := func(s *Source) (hunt.Request, []hunt.PairKey) {
		var mu sync.Mutex
		wanted := map[hunt.PairKey]bool{}
		reading, err := s.Read(t.Context(), hunt.Request{Scope: scope}, func(batch []hunt.Connection) error {
			mu.Lock()
			defer mu.Unlock()
			for i := range batch {
				c := &batch[i]
				wanted[hunt.PairKey{Src: c.Src, Dst: c.Dst, Port: c.DstPort, Proto: c.Proto}] = true
				network, _ := c.Dst.Prefix(24)
				wanted[hunt.PairKey{Src: c.Src, Network: network, AnyPort: true}] = true
			}
			return nil
		})
		require.NoError(t, err)
		req := hunt.Request{From: reading.Window.ReadFrom(), To: reading.Window.End, Scope: scope}
		_, err = s.ReadNames(t.Context(), req, func(batch []hunt.NameRecord) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range batch {
				if r.Name != "" {
					wanted[hunt.PairKey{Src: r.Src, Dst: r.Dst, Name: r.Name, Port: r.DstPort, Proto: hunt.TCP}] = true
				}
				if r.Fingerprint.Kind != hunt.NoFingerprint {
					wanted[hunt.PairKey{Src: r.Src, Fingerprint: r.Fingerprint, Port: r.DstPort, Proto: hunt.TCP}] = true
				}
			}
			return nil
		})
		require.NoError(t, err)
		req.From = reading.Window.Start
		_, err = s.ReadDNS(t.Context(), req, func([]hunt.DNSRecord) error { return nil })
		require.NoError(t, err)
		var keys []hunt.PairKey
		for k := range wanted {
			keys = append(keys, k)
		}
		return req, keys
	}
	facts := func(s *Source, req hunt.Request, wanted []hunt.PairKey) hunt.FactBook {
		book, notes, err := s.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Empty(t, notes)
		return book
	}
	s := New(Options{Paths: []string{dir}})
	req, wanted := read(s)
	require.NotNil(t, s.seen.shown)
	require.NotNil(t, s.seen.queried)
	require.Greater(t, len(wanted), 1000)
	got := facts(s, req, wanted)
	want := facts(New(Options{Paths: []string{dir}}), req, wanted)
	require.Positive(t, want.Records["dns"])
	require.Greater(t, want.TLSHosts, 10)
	require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()))

	few := New(Options{Paths: []string{dir}})
	few.maxAnswers = 10
	read(few)
	require.Nil(t, few.seen.queried)
	require.Empty(t, cmp.Diff(want, facts(few, req, wanted), cmpopts.EquateEmpty()))

	morning := req
	morning.To = req.From.Add(4 * time.Hour)
	require.Empty(t, cmp.Diff(facts(New(Options{Paths: []string{dir}}), morning, wanted), facts(s, morning, wanted), cmpopts.EquateEmpty()))
}

// TestCountedColumnsAreRead: a column that is counted is one that package log reads.
func TestCountedColumnsAreRead(t *testing.T) {
	for i, c := range hunt.Columns() {
		require.NotEqual(t, log.None, counted[i], "query/zeek/log does not read %s of %s logs, which hunt.Columns has", c.Name, c.Log)
		require.NotEmpty(t, c.Field, "hunt.Columns does not say where Security Onion's documents have %s", c.Name)
	}
}

// TestFilesBetweenTwoMachines: who sent a file stands in tx_hosts of older Zeeks and not at all, but for the
// connection's ends, in newer ones. Both ways count, whatever the port, and other hosts' files do not.
func TestFilesBetweenTwoMachines(t *testing.T) {
	dir := folder(t, map[string]string{"files.log": `{"ts":1774828801.5,"fuid":"F1","tx_hosts":["203.0.113.1"],"rx_hosts":["10.0.0.1"],"conn_uids":["C1"],"source":"HTTP","mime_type":"application/x-dosexec","seen_bytes":100}
{"ts":1774828802.5,"fuid":"F2","uid":"C2","id.orig_h":"10.0.0.1","id.orig_p":4000,"id.resp_h":"203.0.113.1","id.resp_p":80,"source":"HTTP","mime_type":"application/x-dosexec","is_orig":false,"seen_bytes":50}
{"ts":1774828803.5,"fuid":"F3","tx_hosts":["10.0.0.1"],"rx_hosts":["203.0.113.1"],"conn_uids":["C3"],"source":"HTTP","mime_type":"application/zip","seen_bytes":7}
{"ts":1774828804.5,"fuid":"F4","tx_hosts":["203.0.113.2"],"rx_hosts":["10.0.0.1"],"conn_uids":["C4"],"source":"HTTP","mime_type":"text/plain","seen_bytes":9}
{"ts":1774828805.5,"fuid":"F5","tx_hosts":["203.0.113.1"],"rx_hosts":["10.0.0.2"],"conn_uids":["C5"],"source":"HTTP","mime_type":"text/plain","seen_bytes":9}
`})
	start := time.Unix(1774828800, 0)
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.1")
	book, notes, err := New(Options{Paths: []string{dir}}).Facts(t.Context(), hunt.Request{From: start, To: start.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)},
		[]hunt.PairKey{{Src: src, Dst: dst, Port: 8080, Proto: hunt.TCP}, {Src: src, Network: netip.MustParsePrefix("203.0.113.0/24"), AnyPort: true}})
	require.NoError(t, err)
	require.Empty(t, notes)
	require.EqualValues(t, 5, book.Records["files"])
	pair := []hunt.Carried{{MIME: "application/x-dosexec", Count: 2, Bytes: 150}, {MIME: "application/zip", Count: 1, Bytes: 7}}
	require.Equal(t, pair, book.Facts[0].Files)
	require.Equal(t, []hunt.Carried{pair[0], pair[1], {MIME: "text/plain", Count: 1, Bytes: 9}}, book.Facts[1].Files)
}
