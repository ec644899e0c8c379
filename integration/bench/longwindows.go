package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/collector"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
)

// inHistory marks a hunt in days of history below a directory: DIRECTORY:DAYS:CONNECTIONS:WINDOW:MEMORY:TIMES:TOGETHER.
const inHistory = "history:"

// implant is the implant in long windows: it sleeps 83,935 s ±44%.
var implant = struct {
	src, dst netip.Addr
	period   float64
	jitter   float64
}{netip.MustParseAddr("10.0.0.77"), netip.MustParseAddr("198.51.100.77"), 83_935, 0.44}

// month is days of traffic, generated as records. Pairs with many connections recur every day; pairs with one differ
// every day.
type month struct {
	days int
	of   traffic
	// pick selects the days that a source emits.
	pick map[string]bool
}

func (m month) Open() *hunt.Session {
	return &hunt.Session{Connections: m.connections, Names: m.names, DNS: m.queries}
}

// each calls visit with the chunks of the picked days, from two goroutines.
func (m month) each(ctx context.Context, visit func(day int, number int) error) error {
	type piece struct{ day, number int }
	pieces := make(chan piece)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 2 {
		wg.Go(func() {
			for p := range pieces {
				if err := visit(p.day, p.number); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	for d := range m.days {
		if !m.pick[strconv.Itoa(d)] {
			continue
		}
		for i := range m.of.chunks() {
			if ctx.Err() == nil && failed.Load() == nil {
				pieces <- piece{d, i}
			}
		}
	}
	close(pieces)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

func (m month) connections(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	var n atomic.Int64
	err := m.each(ctx, func(d, number int) error {
		batch := make([]hunt.Connection, 0, chunk+1)
		m.of.records(d, number, func(_ int, c *hunt.Connection) { batch = append(batch, *c) })
		if number == 0 {
			batch = append(batch, m.implanted(d)...)
		}
		n.Add(int64(len(batch)))
		return emit(batch)
	})
	return hunt.Reading{Window: m.window(), Source: "made", Connections: n.Load(), Records: n.Load()}, err
}

func (m month) window() (w hunt.Window) {
	for d := range m.days {
		if m.pick[strconv.Itoa(d)] {
			w.End = day.AddDate(0, 0, d+1)
			if w.Start.IsZero() {
				w.Start = day.AddDate(0, 0, d)
			}
		}
	}
	return w
}

// implanted are the implant's check-ins of a day.
func (m month) implanted(d int) (out []hunt.Connection) {
	r := rand.New(rand.NewPCG(83935, 1))
	from, to := day.AddDate(0, 0, d).UnixMilli(), day.AddDate(0, 0, d+1).UnixMilli()
	for at := day.UnixMilli() + int64(r.Float64()*implant.period*1000); at < to; at += int64(implant.period * 1000 * (1 + implant.jitter*(2*r.Float64()-1))) {
		if at >= from {
			out = append(out, hunt.Connection{Start: at, Duration: 300, OrigBytes: 600, RespBytes: 900, OrigIPBytes: 900, Count: 1, Src: implant.src, Dst: implant.dst,
				Service: "ssl", SrcPort: 40000, DstPort: 443, Proto: hunt.TCP})
		}
	}
	return out
}

// names and queries each cover one connection in five, as in the generated logs.
func (m month) names(ctx context.Context, _ hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	return hunt.Reading{}, m.each(ctx, func(d, number int) error {
		var batch []hunt.NameRecord
		m.of.records(d, number, func(i int, c *hunt.Connection) {
			if i%5 == 0 {
				batch = append(batch, hunt.NameRecord{Start: c.Start, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Kind: hunt.TLS, Count: 1,
					Name: fmt.Sprintf("www%d.example.com", i%20_000), Fingerprint: hunt.FingerprintOf(fmt.Sprintf("t13d1516h2_%012x_000000000000", i%60), "", "")})
			}
		})
		return emit(batch)
	})
}

func (m month) queries(ctx context.Context, _ hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	resolver := netip.MustParseAddr("10.255.0.53")
	return hunt.Reading{}, m.each(ctx, func(d, number int) error {
		var batch []hunt.DNSRecord
		m.of.records(d, number, func(i int, c *hunt.Connection) {
			if i%5 == 1 {
				batch = append(batch, hunt.DNSRecord{Start: c.Start, Client: c.Src, Resolver: resolver, Query: fmt.Sprintf("www%d.example.com", i%20_000), Type: "A", Count: 1,
					Answers: []string{c.Dst.String()}})
			}
		})
		return emit(batch)
	})
}

// records generates a chunk's connections of a day.
func (t traffic) records(d, number int, visit func(i int, c *hunt.Connection)) {
	r := rand.New(rand.NewPCG(uint64(d*t.chunks()+number), 7))
	hosts, pool := t.n/600+10, t.n/15+1
	begins := day.AddDate(0, 0, d).UnixMilli()
	services := [...]string{"ssl", "ssl", "http", ""}
	for i := number * chunk; i < min((number+1)*chunk, t.n); i++ {
		pair := uint32(pool + i + d*t.n)
		switch {
		case i%10 == 7:
			pair = uint32(1<<31 + i/10%t.beating())
		case r.IntN(9) >= 6:
			u := r.Float64()
			pair = uint32(u * u * u * float64(pool))
		}
		mixed := scramble(pair)
		host := int(mixed>>8) % hosts
		c := hunt.Connection{Start: begins + int64(i)*86_400_000/int64(t.n), Count: 1,
			Src: netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)}), Dst: netip.AddrFrom4([4]byte{20 + byte(mixed>>24)%60, byte(mixed >> 16), byte(mixed >> 8), byte(mixed)}),
			SrcPort: 1024 + uint16(r.IntN(60000)), DstPort: []uint16{443, 443, 80, 8443}[mixed%4], Service: services[mixed%4], Proto: hunt.TCP,
			Duration: int64(r.ExpFloat64() * 10_000), OrigBytes: int64(r.IntN(5000)), RespBytes: int64(r.IntN(50000))}
		c.OrigIPBytes = c.OrigBytes + 40*int64(1+r.IntN(20))
		visit(i, &c)
	}
}

// archive opens the history of a month below a directory. Each day counts as a file.
func archive(dir string, m month) (*history.Archive, error) {
	store, err := history.Open(filepath.Join(dir, "history"), "bench", history.Options{EndOfData: true})
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	return &history.Archive{Store: store, All: month{m.days, m.of, all},
		List: func() ([]string, error) { return filepath.Glob(filepath.Join(dir, "day-*")) },
		Only: func(paths map[string]bool) hunt.Source {
			pick := map[string]bool{}
			for p := range paths {
				pick[strings.TrimPrefix(filepath.Base(p), "day-")] = true
			}
			return month{m.days, m.of, pick}
		}}, nil
}

// long measures history in dir or, if empty, in a temporary directory.
func long(ctx context.Context, dir string, n, days int, windows []string, mib, times int, together bool) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "dwell-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	fmt.Printf("| what | time | us a record | against |\n|---|---|---|---|\n")
	return kept(ctx, dir, n, days, windows, strconv.Itoa(mib), times, together)
}

// kept measures history: keeping days, reading them, and a hunt in its own process for each window.
func kept(ctx context.Context, dir string, n, days int, windows []string, memory string, times int, together bool) error {
	m := month{days: days, of: traffic{n}}
	a, err := archive(dir, m)
	if err != nil {
		return err
	}
	scope := hunt.NewScope(nil, hunt.Outbound)
	begun, wrote := time.Now(), 0
	for d := range days {
		marker := filepath.Join(dir, "day-"+strconv.Itoa(d))
		if _, err := os.Stat(marker); err == nil {
			continue
		}
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			return err
		}
		if _, _, err := a.Update(ctx, scope, nil); err != nil {
			return err
		}
		wrote++
		say("kept %d of %d days, %.0f connections a second", d+1, days, float64(wrote*n)/time.Since(begun).Seconds())
	}
	if wrote > 0 {
		row(fmt.Sprintf("history: keep %d days", wrote), time.Since(begun), wrote*n, "connections with names and queries, made, sorted, written")
	}
	begun = time.Now()
	processor := processorTime()
	var read atomic.Int64
	lost, err := a.Store.Connections(ctx, history.Selection{From: day.AddDate(0, 0, days-1), To: day.AddDate(0, 0, days)}, func(b []hunt.Connection) error { read.Add(int64(len(b))); return nil })
	if err != nil || len(lost) > 0 {
		return errors.Join(err, fmt.Errorf("%d hours were lost", len(lost)))
	}
	row("history: read a day", time.Since(begun), int(read.Load()), fmt.Sprintf("%.1f M a second; %.1f M a second of processor time; %.1f bytes a connection", float64(read.Load())/time.Since(begun).Seconds()/1e6,
		float64(read.Load())/processorTime().Sub(processor).Seconds()/1e6, float64(a.Store.Bytes(history.Connections))/float64(days*n)))
	for _, of := range []struct {
		what string
		sel  history.Selection
	}{
		{"source", history.Selection{Source: netip.PrefixFrom(implant.src, 32)}},
		{"destination", history.Selection{Destination: netip.PrefixFrom(implant.dst, 32)}},
	} {
		of.sel.From, of.sel.To = day, day.AddDate(0, 0, days)
		begun, processor = time.Now(), processorTime()
		read.Store(0)
		if _, err := a.Store.Connections(ctx, of.sel, func(b []hunt.Connection) error { read.Add(int64(len(b))); return nil }); err != nil {
			return err
		}
		row(fmt.Sprintf("history: look a %s up in %d days", of.what, days), time.Since(begun), days*n, fmt.Sprintf("%d connections; processor %.2f s", read.Load(), processorTime().Sub(processor).Seconds()))
	}
	begun, processor = time.Now(), processorTime()
	read.Store(0)
	named := history.Selection{Name: "www775.example.com", From: day, To: day.AddDate(0, 0, days)}
	if _, err := a.Store.Names(ctx, named, func(b []hunt.NameRecord) error { read.Add(int64(len(b))); return nil }); err != nil {
		return err
	}
	row(fmt.Sprintf("history: look a name up in %d days", days), time.Since(begun), days*n, fmt.Sprintf("%d uses; processor %.2f s", read.Load(), processorTime().Sub(processor).Seconds()))
	for _, window := range windows {
		o, took, err := apart(ctx, "history", inHistory+strings.Join([]string{dir, strconv.Itoa(days), strconv.Itoa(n), window, memory, strconv.Itoa(times), strconv.FormatBool(together)}, ":"), nil)
		if err != nil {
			return err
		}
		row(fmt.Sprintf("history: hunt over %s, %d connections, hunt.memory %s", window, o.Connections, memory), took, o.Connections,
			fmt.Sprintf("%d findings; processor %.0f s; peak %d MB; reading %.0f s, evidence %.0f s; implant of %.0f s: %s", o.Findings, o.Processor, o.Peak>>20, o.Read, o.Evidence, implant.period, o.Implant))
	}
	return nil
}

// inKept is the child's part of kept.
func inKept(ctx context.Context, what string) error {
	parts := strings.Split(what, ":")
	days, _ := strconv.Atoi(parts[1])
	n, _ := strconv.Atoi(parts[2])
	window, err := time.ParseDuration(parts[3])
	if err != nil {
		return err
	}
	mib, _ := strconv.ParseInt(parts[4], 10, 64)
	a, err := archive(parts[0], month{days: days, of: traffic{n}})
	if err != nil {
		return err
	}
	times, _ := strconv.Atoi(parts[5])
	o := pipeline.Options{Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound), Since: window}, MinScore: 0.4, Now: time.Now, Ranking: rank.Ranking{},
		Memory: pairs.Budget{Bytes: mib << 20, Folder: parts[0]}}
	begun := processorTime()
	defer profiled()()
	defer collector.Often()()
	res, err := pipeline.Run(ctx, repeated{a, days, times, parts[6] == "true"}, o)
	if err != nil {
		return err
	}
	h := &res.Document.Dwell.Hunt
	out := outcome{Connections: int(h.Connections), Pairs: int(h.Pairs), Peak: peak(), Read: h.Stages.Read, Evidence: h.Stages.Evidence, Findings: len(res.Findings), Implant: "not found",
		Processor: processorTime().Sub(begun).Seconds()}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Source.IP == implant.src && f.Destination.IP == implant.dst {
			out.Implant = fmt.Sprintf("%s, log10 of the expected %.1f", f.Dwell.Severity, *f.Beacon.PValueLog+math.Log10(float64(h.Scored)))
		}
	}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(out), complete(res.Reading, nil))
}
