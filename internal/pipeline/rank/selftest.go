package rank

import (
	"bytes"
	"cmp"
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

const (
	selftestSeed = 1
	// SelftestEach beacons of a kind are injected alone, and as many on top of other traffic.
	SelftestEach = 3
	// selftestHosts is the number of the hunt's pairs that serve as that traffic: those of material.Fewest to
	// selftestBusiest connections with a score below the cut.
	selftestHosts   = 48
	selftestBusiest = 5000
	selftestSize    = 600 // IP bytes of a check-in
)

const hourMillis = 3_600_000

// hours are the hours of a window, counted from its start, with connections.
type hours []bool

func newHours(w hunt.Window) hours {
	return make(hours, (w.Duration().Milliseconds()+hourMillis-1)/hourMillis)
}

// addTo adds them to others.
func (h hours) addTo(all []bool) {
	for i, with := range h {
		all[i] = all[i] || with
	}
}

// carrier is a pair of the hunt that an injected beacon may share.
type carrier struct {
	hash    uint64
	records []pairs.Record
}

// selftest measures the share of a grid of beacons that would have scored the cut or more in this very hunt: in its
// hours (those without connections hide check-ins), among as many keys, alone and on top of real traffic. It costs some
// hundred keys.
func (s *search) selftest(ctx context.Context, m *material.Material, r *material.Ranked) *hunt.Selftest {
	w := m.Window
	p := newProber(m, new(atomic.Int64))
	p.keepAll = true
	cut, tested := r.Sensitivity.Cut, int(r.Scored)+1
	score := func() float64 {
		k := p.measure(hunt.PairKey{}, scoring.AddressKey, grounds{})
		if k == nil {
			return 0
		}
		return k.indicators(tested).Beacon
	}
	var carriers []carrier
	for _, h := range carriersOf(m.Table, w) {
		fillRecords(&p.series, h.records, -1)
		if score() < cut {
			carriers = append(carriers, h)
		}
	}
	dice := rand.New(rand.NewPCG(selftestSeed, uint64(w.Start.UnixMilli())))
	out := &hunt.Selftest{Seed: selftestSeed}
	for _, cell := range selftestGrid(w) {
		for i := range 2 * SelftestEach {
			if ctx.Err() != nil {
				return out
			}
			beats := injected(dice, cell, w, r.Sensitivity.Hours)
			among := i >= SelftestEach
			if among && len(carriers) == 0 {
				continue
			}
			p.series.Start, p.series.Size, p.series.Duration = p.series.Start[:0], p.series.Size[:0], p.series.Duration[:0]
			records := make([]pairs.Record, 0, len(beats))
			for _, at := range beats {
				records = append(records, pairs.Record{Start: at, Duration: 300, OrigIPBytes: selftestSize})
			}
			if among {
				records = append(records, carriers[dice.IntN(len(carriers))].records...)
				slices.SortFunc(records, func(a, b pairs.Record) int { return cmp.Compare(a.Start, b.Start) })
			}
			fillRecords(&p.series, records, -1)
			found := int64(0)
			if len(records) >= material.Fewest && score() >= cut {
				found = 1
			}
			if among {
				cell.InjectedAmong, cell.FoundAmong = cell.InjectedAmong+1, cell.FoundAmong+found
			} else {
				cell.InjectedAlone, cell.FoundAlone = cell.InjectedAlone+1, cell.FoundAlone+found
			}
			out.Injected, out.Found = out.Injected+1, out.Found+found
		}
		out.Cells = append(out.Cells, cell)
	}
	out.Presence = s.presenceTest(p, dice, r.Sensitivity.Hours, cut, tested)
	out.Campaigns = s.campaignTest(p, dice, r.Sensitivity.Hours, cut, tested)
	return out
}

// selftestGrid are the kinds of beacons: active for a sixth, half and all of the window, with four check-ins or more.
func selftestGrid(w hunt.Window) (cells []hunt.Cell) {
	for _, period := range []float64{60, 600, 3600, 14400} {
		for _, share := range []float64{1.0 / 6, 0.5, 1} {
			hours := w.Duration().Hours() * share
			if hours*3600 < material.Fewest*period {
				continue
			}
			for _, jitter := range []float64{0, 0.2, 0.5} {
				for _, missed := range []float64{0, 0.3} {
					cells = append(cells, hunt.Cell{Period: period, Jitter: jitter, Missed: missed, Hours: material.Round(hours)})
				}
			}
		}
	}
	return cells
}

// injected are the check-ins of a beacon that are seen, Unix milliseconds, ascending. Each begins a new wait, and in
// hours without any connection no sensor saw them.
func injected(r *rand.Rand, cell hunt.Cell, w hunt.Window, with []bool) (beats []int64) {
	life := cell.Hours * 3600
	start := r.Float64() * max(0, w.Duration().Seconds()-life)
	for at := start + r.Float64()*cell.Period; at < start+life; at += cell.Period * (1 + cell.Jitter*(2*r.Float64()-1)) {
		ms := int64(at * 1000)
		if hour := ms / hourMillis; r.Float64() >= cell.Missed && hour < int64(len(with)) && with[hour] {
			beats = append(beats, w.Start.UnixMilli()+ms)
		}
	}
	return beats
}

// carriersOf picks pairs of the hunt by a hash of their addresses, so that the same hunt picks the same ones.
func carriersOf(t *pairs.Table, w hunt.Window) []carrier {
	perWorker := make([][]carrier, pairs.Workers())
	byHash := func(a, b carrier) int { return cmp.Compare(a.hash, b.hash) }
	t.WalkSources(func(n int, src netip.Addr, of *pairs.Of) {
		var pair pairs.Pair
		for i := range of.Len() {
			list := perWorker[n]
			h := hashPair(src, of.Dst(i))
			if count := of.Connections(i); count < material.Fewest || count > selftestBusiest || len(list) == selftestHosts && h >= list[selftestHosts-1].hash {
				continue
			}
			of.Decode(i, &pair)
			records := slices.DeleteFunc(slices.Clone(pair.Connections), func(c pairs.Record) bool { return !w.Contains(c.Start) })
			if len(records) < material.Fewest {
				continue
			}
			list = append(list, carrier{h, records})
			slices.SortFunc(list, byHash)
			perWorker[n] = list[:min(len(list), selftestHosts)]
		}
	})
	all := slices.Concat(perWorker...)
	slices.SortFunc(all, byHash)
	return all[:min(len(all), selftestHosts)]
}

func hashPair(src, dst netip.Addr) uint64 {
	h := fnv.New64a()
	a, b := src.As16(), dst.As16()
	h.Write(bytes.Join([][]byte{a[:], b[:]}, nil))
	return h.Sum64()
}
