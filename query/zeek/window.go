package zeek

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// needsSpan says whether the window depends on the newest connection and does not want all.
func needsSpan(req hunt.Request) bool {
	return req.To.IsZero() && (req.Since > 0 || !req.From.IsZero())
}

// bounds settles the window as far as possible before everything was read.
func (in *reading) bounds(ctx context.Context) (hunt.Window, reach, error) {
	req := in.req
	start, end := req.From, req.To
	var none hunt.Window
	switch {
	case needsSpan(req):
		w, err := in.newest(ctx)
		if err != nil {
			return none, reach{}, err
		}
		end = w.End
		if end.IsZero() && req.Since > 0 {
			return none, everything(), nil
		}
		if req.Since > 0 {
			start = end.Add(-req.Since)
		} else if !end.After(start) {
			end = start.Add(time.Millisecond)
		}
	case end.IsZero():
		return none, everything(), nil
	case req.Since > 0:
		start = end.Add(-req.Since)
	case start.IsZero():
		all := everything()
		all.to = end.UTC().Truncate(time.Millisecond).UnixMilli()
		return hunt.Window{End: time.UnixMilli(all.to).UTC()}, all, nil
	}
	w, err := hunt.NewWindow(start, end)
	if err != nil {
		return none, reach{}, err
	}
	from := w.ReadFrom().UnixMilli()
	if req.EveryRecord {
		return w, reach{back: from, from: from, start: math.MaxInt64, to: w.End.UnixMilli()}, nil
	}
	return w, reach{back: w.Start.Add(-req.Back()).UnixMilli(), from: from, start: w.Start.UnixMilli(), to: w.End.UnixMilli()}, nil
}

// inBounds leaves out files last written before the window, and those that by a first pass have nothing in it.
func (in *reading) inBounds(b reach) (out []*log.File) {
	for _, f := range in.files {
		if in.outside(f, b) {
			in.read.Add(f.Size)
			continue
		}
		out = append(out, f)
	}
	return out
}

func (in *reading) outside(f *log.File, b reach) bool {
	if in.spanned && f.WasRead {
		return f.InScope == 0 || f.Newest < b.back || f.Oldest >= b.to || max(f.End, f.Newest) < b.from
	}
	return f.Until < b.from
}

// newest finds the span of the logs as far as a window that counts back from the newest connection needs it: the files
// written last come first, and others only if they may have something newer.
func (in *reading) newest(ctx context.Context) (hunt.Window, error) {
	p := &pass{scope: in.req.Scope, spanOnly: true, latest: in.latest()}
	in.spanned = true
	done := map[*log.File]bool{}
	bound := int64(math.MinInt64)
	for _, f := range in.files {
		if f.First <= p.latest {
			bound = max(bound, f.First)
		}
	}
	for {
		var files []*log.File
		for _, f := range in.files {
			if !done[f] && f.Until >= bound {
				done[f] = true
				files = append(files, f)
			}
		}
		if err := p.run(ctx, in.Source, files, in.kinds, in.progress(p), &in.read); err != nil {
			return hunt.Window{}, err
		}
		w := in.inScope()
		next := int64(math.MinInt64)
		if w != (hunt.Window{}) {
			next = w.End.UnixMilli() - 1
		}
		if next >= bound || bound == math.MinInt64 {
			for _, f := range in.files {
				if !done[f] {
					in.read.Add(f.Size)
				}
			}
			return w, nil
		}
		bound = next
	}
}

// silence: records after, or before, so long a time without records may have a wrong clock. They have if they are fewer
// than one in fewFaults, or older than any Zeek log.
const (
	silence   = 31 * dayMillis
	fewFaults = 100
	firstLogs = 631_152_000_000 // 1990
)

// mass is the time of the bulk of a file's records: what lies far outside it has a wrong clock. Unix milliseconds, both
// ends included; outside is the number of those records.
func mass(f *log.File) (lo, hi, outside int64) {
	lo, hi = always()
	var at []int64
	var all int64
	for b, n := range f.Buckets {
		at, all = append(at, b), all+n
	}
	slices.Sort(at)
	var before int64
	for i := 0; i+1 < len(at); i++ {
		before += f.Buckets[at[i]]
		if (at[i+1]-at[i])*f.Bucket < silence {
			continue
		}
		switch few := all / fewFaults; {
		case before <= few, at[i]*f.Bucket < firstLogs:
			lo, outside = at[i+1]*f.Bucket, before
		case all-before <= few:
			return lo, (at[i]+1)*f.Bucket - 1, outside + all - before
		}
	}
	return lo, hi, outside
}

// spanOf is the span of a file's connections, ends included; ok is false if it has none.
func spanOf(f *log.File) (oldest, newest int64, ok bool) {
	lo, hi, _ := mass(f)
	if f.Records == 0 || f.Counts.First > f.Last {
		return 0, 0, false
	}
	oldest, newest = max(f.Counts.First, lo), min(f.Last, hi)
	if f.End > newest && (hi == math.MaxInt64 || f.End <= hi) {
		newest = f.End
	}
	return oldest, newest, oldest <= newest
}

// inScope is the window from the oldest to the newest connection in scope, zero if there is none.
func (in *reading) inScope() hunt.Window {
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, f := range in.files {
		if f.InScope > 0 {
			lo, hi, _ := mass(f)
			oldest, newest = min(oldest, max(f.Oldest, lo)), max(newest, min(f.Newest, hi))
		}
	}
	return windowOf(oldest, newest)
}

func windowOf(oldest, newest int64) hunt.Window {
	if oldest > newest {
		return hunt.Window{}
	}
	return hunt.Window{Start: time.UnixMilli(oldest).UTC(), End: time.UnixMilli(newest + 1).UTC()}
}

// span is the span of all logs that a hunt reads, ends of connections included. It is zero if there is no record.
func (in *reading) span(ctx context.Context) hunt.Window {
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, f := range in.files {
		if first, last, ok := spanOf(f); ok {
			oldest, newest = min(oldest, first), max(newest, last)
		}
		switch conns := windowOf(f.Counts.First, f.Last); {
		case !f.WasRead || f.Early > f.Late:
		case in.doubtful(f.Early, conns, f.Late) || in.doubtful(f.Late, conns, f.Early):
			in.report.Gap(hunt.Note{What: "records of other logs in this file are of a time far from its connections; they are not part of the window", Where: f.Path, Hint: clockWrong})
		default:
			oldest, newest = min(oldest, f.Early), max(newest, f.Late)
		}
	}
	for _, o := range in.others(ctx, windowOf(oldest, newest)) {
		oldest, newest = min(oldest, o.Start.UnixMilli()), max(newest, o.End.UnixMilli()-1)
	}
	return windowOf(oldest, newest)
}

// others is the span of the logs besides conn, whose connections span conns: the first record of each file, and the last
// record of the last file of each log and path. Times far from the connections are looked at again: one record with a
// wrong clock must not make a window of years.
func (in *reading) others(ctx context.Context, conns hunt.Window) (out []hunt.Window) {
	if in.beside != nil {
		return in.beside
	}
	type log2 struct {
		root string
		kind log.Kind
	}
	last := map[log2]*log.File{}
	ends := map[*log.File]int64{}
	for _, f := range filesOf(in.set, huntedLogs...) {
		if slices.Contains(in.files, f) || !f.Has {
			continue
		}
		ends[f] = f.First
		for k := range f.Kinds {
			last[log2{f.Root, k}] = f
		}
	}
	for _, f := range last {
		ms, ok := f.LastRecord()
		if !ok && in.times(ctx, f) {
			ms, ok = f.Last, true
		}
		if ok {
			ends[f] = max(ms, f.First)
		}
	}
	for f, end := range ends {
		first := f.First
		if in.doubtful(first, conns, end) || in.doubtful(end, conns, first) {
			if !in.times(ctx, f) {
				continue
			}
			lo, hi, far := mass(f)
			first, end = max(f.Counts.First, lo), min(f.Last, hi)
			in.far(f, far)
			if f.Future > 0 {
				in.report.Gap(hunt.Note{What: fmt.Sprintf("records of the future, up to %s, left out: %d", time.UnixMilli(f.FutureTo).UTC().Format(time.RFC3339), f.Future),
					Where: f.Path, Hint: clockWrong})
			}
		}
		if first <= end && end >= firstLogs {
			out = append(out, hunt.Window{Start: time.UnixMilli(first).UTC(), End: time.UnixMilli(end + 1).UTC()})
		}
	}
	in.beside = out
	return out
}

// doubtful reports whether a log's first or last time may be of a wrong clock: before any Zeek log, of the future, or
// far from the connections, or without those from the other end of the log.
func (in *reading) doubtful(ms int64, conns hunt.Window, other int64) bool {
	from, to := other, other
	if conns != (hunt.Window{}) {
		from, to = conns.Start.UnixMilli(), conns.End.UnixMilli()
	}
	return ms < firstLogs || ms > in.latest() || ms < from-silence || ms > to+silence
}

// latest is tomorrow, Unix milliseconds: no record can be of a later time.
func (in *reading) latest() int64 { return in.now().UnixMilli() + dayMillis }

// times reads a file for the times of its records alone.
func (in *reading) times(ctx context.Context, f *log.File) bool {
	scan := log.Scan{Workers: 1, Kinds: huntedLogs, Bucket: in.bucket(), New: func() log.Taker { return spans{in.latest()} }}
	return scan.Run(ctx, []*log.File{f}) == nil
}

const clockWrong = "the sensor's clock was wrong, and when they happened is not known"

// far reports records far from the bulk of their log, if the window is what the logs span.
func (in *reading) far(f *log.File, n int64) {
	if n > 0 && (in.req.From.IsZero() || in.req.To.IsZero()) {
		in.report.Gap(farFrom(f, n))
	}
}

// farFrom says that records are far from the bulk of their log.
func farFrom(f *log.File, n int64) hunt.Note {
	return hunt.Note{What: fmt.Sprintf("records of a time far from all others in this log, left out of the window: %d", n), Where: f.Path,
		Hint: clockWrong + "; give --from and --to to look at that time"}
}

// spans takes records for their times alone, up to the latest one possible.
type spans struct{ latest int64 }

// Take notes a record's time.
func (s spans) Take(r *log.Record, n *log.Counts) (log.Problem, error) {
	if r.Start > s.latest {
		n.Future, n.FutureTo = n.Future+1, max(n.FutureTo, r.Start)
	} else {
		n.At(r.Start)
	}
	return log.Fine, nil
}

// Flush does nothing.
func (spans) Flush() error { return nil }
