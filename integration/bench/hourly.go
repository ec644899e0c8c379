package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/query/elastic"
)

// counting counts the records that a source emits.
type counting struct {
	of hunt.Source
	n  *atomic.Int64
}

func (c counting) Open() *hunt.Session {
	inner := c.of.Open()
	s := *inner
	s.Connections = counted(c.n, inner.Connections)
	s.Names = counted(c.n, inner.Names)
	s.DNS = counted(c.n, inner.DNS)
	return &s
}

func counted[R any](n *atomic.Int64, read func(context.Context, hunt.Request, func([]R) error) (hunt.Reading, error)) func(context.Context, hunt.Request, func([]R) error) (hunt.Reading, error) {
	return func(ctx context.Context, req hunt.Request, emit func([]R) error) (hunt.Reading, error) {
		return read(ctx, req, func(batch []R) error { n.Add(int64(len(batch))); return emit(batch) })
	}
}

// hourly compares a scheduled hourly hunt, over 24 hours of which history has all but the last, with the same hunt
// without history. Neither considers evidence.
func (b *bench) hourly(ctx context.Context, index string) (err error) {
	dir, err := os.MkdirTemp("", "dwell-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source, err := elastic.New(b.client, elastic.Options{Index: []string{index}})
	if err != nil {
		return err
	}
	var n atomic.Int64
	in := counting{source, &n}
	run := func(src hunt.Source, end time.Time) (records int64, took time.Duration, stages hunt.Stages, err error) {
		n.Store(0)
		begun := time.Now()
		res, err := pipeline.Run(ctx, src, pipeline.Options{Ranking: rank.Ranking{}, MinScore: 0.4, Now: time.Now,
			Request: hunt.Request{From: end.Add(-24 * time.Hour), To: end, Scope: hunt.NewScope(nil, hunt.Outbound)}})
		if err != nil {
			return 0, 0, stages, err
		}
		return n.Load(), time.Since(begun), res.Document.Dwell.Hunt.Stages, complete(res.Reading, nil)
	}
	// The made day is long past: by the real clock each commit would merge it into a day.
	end := day.Add(24 * time.Hour)
	now := end.Add(-time.Hour)
	store, err := history.Open(dir, "bench", history.Options{Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	warm := &history.Cluster{Store: store, Of: in}
	if _, _, _, err := run(warm, now); err != nil {
		return err
	}
	now = end
	all, cold, of, err := run(in, end)
	if err != nil {
		return err
	}
	row("hunt over 24h without history", cold, int(all), fmt.Sprintf("%d records read; reading %.1f s, scoring %.1f s", all, of.Read, of.Score))
	stop := profiled()
	fresh, took, with, err := run(warm, end)
	stop()
	if err != nil {
		return err
	}
	row("the same, hourly, with history", took, int(all), fmt.Sprintf("%d records read: 1/%.0f; time 1/%.1f; reading %.1f s: 1/%.1f, scoring %.1f s", fresh, float64(all)/float64(max(fresh, 1)),
		cold.Seconds()/took.Seconds(), with.Read, of.Read/with.Read, with.Score))
	return nil
}
