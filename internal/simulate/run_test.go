package simulate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// small is a quick scenario: six workstations, the first ten hours of a Monday.
func small() Scenario {
	sc := Default()
	sc.Hosts, sc.Rate, sc.Destinations, sc.Length = 6, 200, 400, Duration(10*time.Hour)
	sc.Implants = slices.DeleteFunc(sc.Implants, func(t Talker) bool { return t.Kind == KindStrobe || t.Name == "four-hours" })
	return sc
}

func run(t *testing.T, sc Scenario, f Format) (string, Summary) {
	t.Helper()
	dir := t.TempDir()
	s, err := Run(context.Background(), sc, dir, f)
	require.NoError(t, err)
	return dir, s
}

// digests hashes all files of a directory.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		name, _ := filepath.Rel(dir, path)
		out[name] = hex.EncodeToString(sum[:8])
		return err
	}))
	return out
}

// tsvRecords reads a TSV log, plain or gzipped, by its header, independently of the writer.
func tsvRecords(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		gz, err := gzip.NewReader(f)
		require.NoError(t, err)
		r = gz
	}
	var fields []string
	var out []map[string]string
	var seen []string
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		cells := strings.Split(s.Text(), "\t")
		if strings.HasPrefix(s.Text(), "#") {
			seen = append(seen, strings.Fields(cells[0])[0])
			switch cells[0] {
			case "#fields":
				fields = cells[1:]
			case "#types":
				require.Len(t, cells[1:], len(fields), "a type for each field of %s", path)
			}
			continue
		}
		require.Len(t, cells, len(fields), "%s: %s", path, s.Text())
		m := make(map[string]string, len(cells))
		for i, c := range cells {
			m[fields[i]] = c
		}
		out = append(out, m)
	}
	require.NoError(t, s.Err())
	require.Equal(t, []string{"#separator", "#set_separator", "#empty_field", "#unset_field", "#path", "#open", "#fields", "#types", "#close"}, seen, path)
	return out
}

func TestSameSeedSameBytes(t *testing.T) {
	sc := small()
	sc.Length = Duration(2 * time.Hour)
	for _, f := range []Format{{}, {JSON: true}, {Gzip: true, Hourly: true}} {
		a, _ := run(t, sc, f)
		b, _ := run(t, sc, f)
		require.Equal(t, digests(t, a), digests(t, b), "%+v", f)
	}
	a, _ := run(t, sc, Format{})
	sc.Seed++
	b, _ := run(t, sc, Format{})
	require.NotEqual(t, digests(t, a)["conn.log"], digests(t, b)["conn.log"])
}

// lines counts the records of all files of a log in a directory.
func lines(t *testing.T, dir, log string) int64 {
	t.Helper()
	var n int64
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), log+".") {
			return err
		}
		n += int64(len(tsvRecords(t, path)))
		return nil
	}))
	return n
}

func TestLabelsCountWhatIsThere(t *testing.T) {
	for _, f := range []Format{{}, {Gzip: true, Hourly: true}} {
		dir, s := run(t, small(), f)
		b, err := os.ReadFile(filepath.Join(dir, LabelsFile))
		require.NoError(t, err)
		var labels Labels
		require.NoError(t, json.Unmarshal(b, &labels))
		require.Equal(t, s.Labels.Logs, labels.Logs)
		require.NotEmpty(t, labels.Logs)
		for log, n := range labels.Logs {
			require.Equal(t, n, lines(t, dir, string(log)), log)
			require.Positive(t, n, log)
		}
	}
}

func TestTSVAndJSONSayTheSame(t *testing.T) {
	sc := small()
	sc.Length = Duration(2 * time.Hour)
	tsv, s := run(t, sc, Format{})
	js, _ := run(t, sc, Format{JSON: true})
	for log := range s.Labels.Logs {
		records := tsvRecords(t, filepath.Join(tsv, string(log)+".log"))
		b, err := os.ReadFile(filepath.Join(js, string(log)+".log"))
		require.NoError(t, err)
		objects := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
		require.Len(t, objects, len(records), log)
		for i, o := range objects {
			var m map[string]any
			require.NoError(t, json.Unmarshal(o, &m), "%s", o)
			for key, cell := range records[i] {
				v, have := m[key]
				require.Equal(t, cell != "-", have, "%s of %s", key, o)
				if s, isText := v.(string); isText && !strings.Contains(s, `\`) {
					require.Equal(t, cell, s)
				}
			}
		}
	}
}

func TestConnectionsAreAtOurAddressesOnly(t *testing.T) {
	sc := small()
	known := append(slices.Clone(sc.Internal), outside()...)
	known = append(known, netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("255.255.255.255/32"))
	n := 0
	for c, err := range Connections(sc) {
		require.NoError(t, err)
		n++
		for _, a := range []netip.Addr{c.Src, c.Dst} {
			require.True(t, slices.ContainsFunc(known, func(p netip.Prefix) bool { return p.Contains(a) }), "%s > %s", c.Src, c.Dst)
		}
		inside := slices.ContainsFunc(sc.Internal, func(p netip.Prefix) bool { return p.Contains(c.Src) })
		require.Equal(t, inside, c.LocalOrig)
	}
	require.Greater(t, n, 5000)
}

func TestLinesAreInTheOrderInWhichConnectionsEnd(t *testing.T) {
	last := int64(0)
	sc := small()
	end := sc.Start.Add(time.Duration(sc.Length)).UnixMicro()
	for c, err := range Connections(sc) {
		require.NoError(t, err)
		// Zeek gives up on an unanswered SYN after 5 s, on a silent UDP or ICMP flow after a minute.
		at := c.Start + max(c.Duration, 0)
		if c.Proto.String() != "tcp" {
			at += 60_000_000
		} else if c.State == "S0" {
			at += 5_000_000
		}
		at = min(at, end)
		require.GreaterOrEqual(t, at, last)
		require.GreaterOrEqual(t, c.Start, sc.Start.UnixMicro())
		require.Less(t, c.Start, end)
		last = at
	}
	require.Positive(t, last)
}

// starts returns the start times of the connections of a label's pairs, in order.
func starts(sc Scenario, src netip.Addr, dsts []netip.Addr) []int64 {
	var out []int64
	for c := range Connections(sc) {
		if c.Src == src && slices.Contains(dsts, c.Dst) {
			out = append(out, c.Start)
		}
	}
	slices.Sort(out)
	return out
}

func TestBeatsKeepToTheirPeriod(t *testing.T) {
	base := small()
	base.Services = nil
	for _, tc := range []struct {
		name   string
		beat   Talker
		lo, hi float64 // of the period
	}{
		{"both", Talker{Period: Duration(time.Minute), Jitter: 0.2, Domain: "a.example"}, 0.8, 1.2},
		{"early", Talker{Period: Duration(time.Minute), Jitter: 0.5, Timing: TimingEarly}, 0.5, 1},
		{"clock", Talker{Period: Duration(time.Minute), Jitter: 0.1, Timing: TimingClock}, 0.9, 1.1},
		{"exact", Talker{Period: Duration(7 * time.Second)}, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sc := base
			tc.beat.Name, tc.beat.Kind, tc.beat.Hosts = "x", KindBeacon, []string{"ws-002"}
			tc.beat.Destinations = []netip.Addr{netip.MustParseAddr("203.0.113.9")}
			sc.Implants = []Talker{tc.beat}
			_, s := run(t, sc, Format{})
			at := starts(sc, s.Labels.Implants[0].Sources[0], tc.beat.Destinations)
			require.Len(t, at, int(s.Labels.Implants[0].Connections))
			period := float64(tc.beat.Period.micros())
			require.InDelta(t, sc.Length.micros(), float64(len(at))*period*(tc.lo+tc.hi)/2, float64(sc.Length.micros())/10, "it beats all day")
			// The first check-in may wait for its name.
			for i := 2; i < len(at); i++ {
				gap := float64(at[i]-at[i-1]) / period
				require.True(t, gap >= tc.lo-1e-6 && gap <= tc.hi+1e-6, "gap %d is %.4f periods", i, gap)
			}
		})
	}
}

func TestTalkersDoWhatTheyAreTold(t *testing.T) {
	base := small()
	base.Services, base.Length = nil, Duration(24*time.Hour)
	dst := netip.MustParseAddr("203.0.113.9")
	one := func(beat Talker) []int64 {
		beat.Name, beat.Hosts, beat.Destinations = "x", []string{"ws-001"}, []netip.Addr{dst}
		if beat.Kind == "" {
			beat.Kind = KindBeacon
		}
		sc := base
		sc.Implants = []Talker{beat}
		require.NoError(t, sc.Validate())
		return starts(sc, netip.MustParseAddr("10.20.0.32"), []netip.Addr{dst})
	}
	begin := base.Start.UnixMicro()
	t.Run("loss", func(t *testing.T) {
		// 1440 check-ins, three in ten lost: 1008, standard deviation 17.
		require.InDelta(t, 1008, len(one(Talker{Period: Duration(time.Minute), Loss: 0.3})), 5*17)
	})
	t.Run("burst", func(t *testing.T) {
		at := one(Talker{Period: Duration(10 * time.Minute), Burst: 4, Spread: Duration(3 * time.Second)})
		require.Zero(t, len(at)%4)
		require.InDelta(t, 144*4, len(at), 4)
		for i := 0; i < len(at); i += 4 {
			require.LessOrEqual(t, at[i+3]-at[i], int64(3_000_000))
		}
	})
	t.Run("hours alive", func(t *testing.T) {
		at := one(Talker{Period: Duration(time.Minute), From: Duration(3 * time.Hour), To: Duration(5 * time.Hour)})
		require.InDelta(t, 120, len(at), 1)
		require.GreaterOrEqual(t, at[0], begin+3*3600e6)
		require.Less(t, at[len(at)-1], begin+5*3600e6)
	})
	t.Run("office hours", func(t *testing.T) {
		at := one(Talker{Period: Duration(time.Minute), OfficeHours: true})
		require.InDelta(t, 570, len(at), 3)
		require.GreaterOrEqual(t, at[0], begin+8*3600e6)
		require.Less(t, at[len(at)-1], begin+17.5*3600e6+60e6)
	})
	t.Run("two periods", func(t *testing.T) {
		at := one(Talker{Periods: []Duration{Duration(time.Minute), Duration(10 * time.Minute)}, Hold: Duration(2 * time.Hour)})
		// Six times two hours of each: 120 and 12 check-ins.
		require.InDelta(t, 6*132, len(at), 15)
	})
	t.Run("long", func(t *testing.T) {
		at := one(Talker{Kind: KindLong, Period: Duration(time.Minute), Duration: Duration(5 * time.Hour), Port: 8443, Service: "none"})
		require.Len(t, at, 5)
	})
}

func TestBackgroundIsBelievable(t *testing.T) {
	sc := small()
	sc.Hosts, sc.Length, sc.Implants, sc.Services = 20, Duration(24*time.Hour), nil, nil
	hours := make([]int, 24)
	states := map[string]int{}
	perSite := map[netip.Addr]int{}
	six := 0
	for c, err := range Connections(sc) {
		require.NoError(t, err)
		hours[(c.Start-sc.Start.UnixMicro())/3600e6]++
		states[c.State]++
		if c.LocalOrig && !c.LocalResp && c.DstPort == 443 {
			perSite[c.Dst]++
			if c.Dst.Is6() {
				six++
			}
		}
		require.GreaterOrEqual(t, c.OrigPackets, int64(1))
		require.GreaterOrEqual(t, c.OrigIPBytes, max(c.OrigBytes, 0)+20*c.OrigPackets)
		if c.State == "S0" {
			require.Zero(t, c.RespPackets)
		}
		require.Equal(t, c.Duration < 0, c.OrigBytes < 0 && c.RespBytes < 0, "Zeek leaves out all three or none")
	}
	night, morning := 0, 0
	for _, n := range hours[0:5] {
		night += n
	}
	for _, n := range hours[9:12] {
		morning += n
	}
	require.Greater(t, morning/3, 5*(night/5), "people sleep: %v", hours)
	for _, s := range []string{"SF", "S0", "REJ", "RSTO", "RSTR", "OTH"} {
		require.Positive(t, states[s], s)
	}
	require.Greater(t, six, 100, "IPv6")
	counts := slices.Sorted(maps.Values(perSite))
	slices.Reverse(counts)
	sum, top := 0, 0
	for i, n := range counts {
		sum += n
		if i < len(counts)/10 {
			top += n
		}
	}
	require.Greater(t, float64(top)/float64(sum), 0.4, "a tenth of the destinations has two fifths of the traffic at least")
	require.Greater(t, len(counts), 150)
}

func TestRateIsKept(t *testing.T) {
	for _, rate := range []float64{100, 300, 1500} {
		sc := Default()
		sc.Hosts, sc.Rate, sc.Implants, sc.Services = 15, rate, nil, nil
		workstations := 0
		for c, err := range Connections(sc) {
			require.NoError(t, err)
			// Workstations have the addresses from the 32nd.
			if b := c.Src.AsSlice(); c.LocalOrig && b[len(b)-1] >= 32 {
				workstations++
			}
		}
		require.InEpsilon(t, rate, float64(workstations)/24/float64(sc.Hosts), 0.25)
	}
}

func TestAnImplantOutsideOfTheWindowIsToldOf(t *testing.T) {
	sc := small()
	sc.Length, sc.Services = Duration(time.Hour), nil
	sc.Implants = []Talker{{Name: "late", Kind: KindBeacon, Period: Duration(time.Minute), From: Duration(2 * time.Hour)}}
	_, s := run(t, sc, Format{})
	require.Zero(t, s.Labels.Implants[0].Connections)
	require.Equal(t, "none", s.Labels.Implants[0].Indicator)
	require.Contains(t, s.Labels.Implants[0].Why, "nothing of it is in this window")
}

func TestRunRefusesAFolderWithOtherLogs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte("mine"), 0o600))
	_, err := Run(context.Background(), small(), dir, Format{})
	require.ErrorContains(t, err, "holds logs already")
	b, err := os.ReadFile(filepath.Join(dir, "conn.log"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(b))
}

func TestStoppedRunLeavesNothing(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	dir := t.TempDir()
	_, err := Run(ctx, small(), dir, Format{Hourly: true})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, digests(t, dir))
}
