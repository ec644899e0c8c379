package log

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// setBack is how far both start and end of a record must be before those of an earlier one for a clock that was set
// back. Zeek writes a connection at its end, so starts are never in order.
const setBack = int64(time.Hour / time.Millisecond)

// stragglers is the number of such records in a row that shows a clock set back: Zeek writes a connection that timed
// out hours after its last packet, but among others.
const stragglers = 16

// moment is when a record's connection began and ended, Unix milliseconds.
type moment struct{ start, end int64 }

// clock follows the times of a file's records to notice where the sensor's clock was set back.
type clock struct {
	front moment
	// behind is the number of records in a row far before front, line the first of them.
	behind, line int64
}

// step takes the next record. If time has gone back it returns the line at which it did, otherwise 0.
func (c *clock) step(m moment, line int64) int64 {
	if m.start >= c.front.start-setBack || m.end >= c.front.end-setBack {
		c.front, c.behind = m, 0
		return 0
	}
	if c.behind == 0 {
		c.line = line
	}
	if c.behind++; c.behind <= stragglers {
		return 0
	}
	c.front, c.behind = m, 0
	return c.line
}

// Counts are the results of reading a file, or a part of it.
type Counts struct {
	// Records are the records of the wanted logs, in scope or not; bad lines are not included.
	Records int64
	// InScope are those in scope, Emitted those passed on: their takers count them.
	InScope, Emitted int64
	// Again are records that came before, here or in another file.
	Again int64
	// Oldest and Newest are the starts of the first and the last record in scope; First and Last those of all.
	Oldest, Newest, First, Last int64
	// Flipped are connections whose sides were swapped.
	Flipped int64
	// Early and Late are the starts of the first and the last record of the other logs in the scan's Times.
	Early, Late int64
	// End is the end of the last connection whose duration is possible.
	End int64
	// Negative are durations below zero; Future are records of tomorrow or later, which are left out, the last at
	// FutureTo.
	Negative, Future, FutureTo int64
	// Far are records of a time far outside the window: their takers count them.
	Far int64
	// Buckets are the numbers of records that began in each span of Bucket milliseconds since 1970.
	Buckets map[int64]int64
	Bucket  int64
	// File is the file that is being read.
	File *File

	// bad lines, the number of the first one and why it is bad; torn is a bad last line without an end
	bad     int64
	badLine int64
	badWhy  problem
	torn    int64
	tornWhy problem
	// zeros are lines that begin with zero bytes, zeroLine the first of them.
	zeros, zeroLine int64
	// kinds are the numbers of records of each log, wanted or not.
	kinds []kindCount
	// odd are records with an unreadable value, oddLine the first of them.
	odd, oddLine int64
	oddField     Field
	// nameless are records of no known log that do not name it, namelessLine the first of them.
	nameless, namelessLine int64
	// steps are the places where the clock was set back, stepLine the first of them.
	steps, stepLine int64
	clock           clock
	// number is the line of the present record.
	number int64
	// bucket and inBucket collect what goes into Buckets.
	bucket, inBucket int64
}

type kindCount struct {
	kind Kind
	n    int64
}

// kind is where a log's records are counted.
func (c *Counts) kind(k Kind) int {
	for i := range c.kinds {
		if c.kinds[i].kind == k {
			return i
		}
	}
	c.kinds = append(c.kinds, kindCount{kind: k})
	return len(c.kinds) - 1
}

// At notes when a record began.
func (c *Counts) At(ms int64) {
	if at := ms / c.Bucket; at != c.bucket {
		c.flushBucket()
		c.bucket = at
	}
	c.inBucket++
}

func (c *Counts) flushBucket() {
	if c.inBucket == 0 {
		return
	}
	if c.Buckets == nil {
		c.Buckets = map[int64]int64{}
	}
	c.Buckets[c.bucket] += c.inBucket
	c.inBucket = 0
}

// Step follows a sensor's clock by when connections began and ended, Unix milliseconds.
func (c *Counts) Step(start, end int64) {
	if line := c.clock.step(moment{start, end}, c.number); line > 0 {
		if c.steps == 0 {
			c.stepLine = line
		}
		c.steps++
	}
}

func newCounts() Counts {
	return Counts{Oldest: math.MaxInt64, Newest: math.MinInt64, First: math.MaxInt64, Last: math.MinInt64, End: math.MinInt64, Early: math.MaxInt64, Late: math.MinInt64}
}

func (c *Counts) oddly(line int64, f Field) {
	if c.odd == 0 {
		c.oddLine, c.oddField = line, f
	}
	c.odd++
}

func (c *Counts) add(o *Counts) {
	c.Records += o.Records
	c.InScope += o.InScope
	c.Emitted += o.Emitted
	c.Again += o.Again
	c.Flipped += o.Flipped
	c.Oldest, c.Newest = min(c.Oldest, o.Oldest), max(c.Newest, o.Newest)
	c.First, c.Last = min(c.First, o.First), max(c.Last, o.Last)
	if o.bad > 0 && (c.bad == 0 || o.badLine < c.badLine) {
		c.badLine, c.badWhy = o.badLine, o.badWhy
	}
	c.bad += o.bad
	if o.torn > 0 {
		c.torn, c.tornWhy = o.torn, o.tornWhy
	}
	if o.zeros > 0 && (c.zeros == 0 || o.zeroLine < c.zeroLine) {
		c.zeroLine = o.zeroLine
	}
	c.zeros += o.zeros
	for _, k := range o.kinds {
		c.kinds[c.kind(k.kind)].n += k.n
	}
	if o.odd > 0 && (c.odd == 0 || o.oddLine < c.oddLine) {
		c.oddLine, c.oddField = o.oddLine, o.oddField
	}
	c.odd += o.odd
	if o.nameless > 0 && (c.nameless == 0 || o.namelessLine < c.namelessLine) {
		c.namelessLine = o.namelessLine
	}
	c.nameless += o.nameless
	c.Negative += o.Negative
	if o.steps > 0 && (c.steps == 0 || o.stepLine < c.stepLine) {
		c.stepLine = o.stepLine
	}
	c.steps += o.steps
	c.End = max(c.End, o.End)
	c.Early, c.Late = min(c.Early, o.Early), max(c.Late, o.Late)
	c.Far += o.Far
	c.Future, c.FutureTo = c.Future+o.Future, max(c.FutureTo, o.FutureTo)
	o.flushBucket()
	c.Bucket = o.Bucket
	if c.Buckets == nil {
		c.Buckets = o.Buckets
	} else {
		for at, n := range o.Buckets {
			c.Buckets[at] += n
		}
	}
}

// Tally is the result of one pass over a file. Several goroutines add parts of the file.
type Tally struct {
	mu sync.Mutex
	Counts
	// Ended is why reading stopped before the end of the file, or nil.
	Ended error
	// WasRead says whether a pass read the file at all.
	WasRead bool
}

func (t *Tally) add(c *Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Counts.add(c)
}

func (t *Tally) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Counts, t.Ended, t.WasRead = newCounts(), nil, true
}

// settled notes which logs are in a file, after all of it was read.
func (f *File) settled() {
	if !f.WasRead || f.Ended != nil {
		return
	}
	for _, k := range f.kinds {
		f.Kinds[k.kind] = true
	}
	f.Mixed = false
}

// Report collects notes and gaps.
type Report struct {
	Notes, Gaps []hunt.Note
	faults      map[string]*fault
	order       []*fault
}

// fault is something that only a wrong clock explains.
type fault struct {
	what, where string
	n           int64
}

// ClockFault counts a record with an impossible time. Faults reports it.
func (r *Report) ClockFault(f *File, what string) {
	k := f.Path + what
	if r.faults == nil {
		r.faults = map[string]*fault{}
	}
	if r.faults[k] == nil {
		r.faults[k] = &fault{what: what, where: f.Path}
		r.order = append(r.order, r.faults[k])
	}
	r.faults[k].n++
}

// Faults reports what ClockFault counted.
func (r *Report) Faults() {
	for _, f := range r.order {
		r.Note(hunt.Note{What: fmt.Sprintf("%s: %d", f.what, f.n), Where: f.where, Hint: "the sensor's clock was wrong"})
	}
}

// Note takes a remark about something that loses nothing, Gap one about a loss.
func (r *Report) Note(n hunt.Note) { r.Notes = append(r.Notes, n) }

// Gap is Note for a loss.
func (r *Report) Gap(n hunt.Note) { r.Gaps = append(r.Gaps, n) }

// named is the number of files that a remark names.
const named = 40

// Left reports the files that were left out: once for each reason, with its files. A file that may have records is a
// gap.
func (r *Report) Left(left []Left) {
	type reason struct {
		what, hint string
		data       bool
	}
	files := map[reason][]string{}
	var order []reason
	for _, l := range left {
		why := reason{l.What, strings.ReplaceAll(l.Hint, l.Path, "FILE"), l.Data}
		if files[why] == nil {
			order = append(order, why)
		}
		files[why] = append(files[why], l.Path)
	}
	for _, why := range order {
		paths := files[why]
		n := hunt.Note{What: "left out: it " + why.what, Where: paths[0], Hint: why.hint}
		if len(paths) > 1 {
			where := strings.Join(paths[:min(len(paths), named)], ", ")
			if len(paths) > named {
				where += fmt.Sprintf(" and %d more", len(paths)-named)
			}
			n.Where = where
		}
		if why.data {
			r.Gap(n)
		} else {
			r.Note(n)
		}
	}
}

// Tell reports what was odd about a file.
func (r *Report) Tell(f *File) {
	c := &f.Counts
	if f.note != "" {
		r.Note(hunt.Note{What: f.note, Where: f.Path})
	}
	if f.silent && c.Records == 0 && f.Ended == nil {
		return
	}
	if f.Ended != nil && c.Records == 0 {
		r.Gap(hunt.Note{What: fmt.Sprintf("nothing of this log could be read: %v", f.Ended), Where: f.Path,
			Hint: "if Zeek has just rotated it, run the hunt again"})
	} else if f.Ended != nil {
		r.Gap(hunt.Note{What: fmt.Sprintf("the file ends early (%v); records read before that: %d", f.Ended, c.Records),
			Where: f.Path, Hint: "copy it again, or wait until Zeek has finished it", During: f.during(longestLog)})
	}
	if c.bad > 0 {
		r.Gap(hunt.Note{What: badLines(c),
			Where: f.Path, Hint: fmt.Sprintf("look at it with: zcat -f FILE | sed -n %dp", c.badLine), During: f.during(0)})
	}
	if c.zeros > 0 {
		r.Gap(hunt.Note{What: fmt.Sprintf("zero bytes stand where records were, the first before line %d; what follows them was read", c.zeroLine),
			Where: f.Path, Hint: "a power loss or a full disk leaves such holes", During: f.during(0)})
	}
	if c.torn > 0 && f.Ended == nil {
		r.Note(hunt.Note{What: "the last line is cut off (" + string(c.tornWhy) + "); everything before it was read",
			Where: f.Path, Hint: "Zeek was still writing, or the file was copied too early"})
	}
	if c.odd > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("records with a value that is not of its field's type, taken as not set: %d, the first is line %d (%s)", c.odd, c.oddLine, c.oddField),
			Where: f.Path})
	}
	if c.nameless > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("records that name no log, and have no field that only one log has, left out: %d, the first is line %d", c.nameless, c.namelessLine),
			Where: f.Path, Hint: "keep _path in each record, or give each log a file with its name"})
	}
	if c.Again > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("records that came before, in this file or another, and count once: %d of %d", c.Again, c.Records),
			Where: f.Path, Hint: "copies of logs, records delivered twice, or two taps"})
	}
	if c.Flipped > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("connections from external addresses whose SYN Zeek missed, read as connections of the internal host: %d", c.Flipped),
			Where: f.Path, Hint: "a restart of Zeek or lost packets turn their direction round"})
	}
	if c.steps > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("places where time goes back by more than an hour: %d, the first is line %d", c.steps, c.stepLine),
			Where: f.Path, Hint: "fine if the file was put together from several; otherwise the sensor's clock was set back and intervals across that moment are wrong"})
	}
	if c.Future > 0 {
		r.Gap(hunt.Note{What: fmt.Sprintf("records of the future, up to %s, left out: %d", time.UnixMilli(c.FutureTo).UTC().Format(time.RFC3339), c.Future),
			Where: f.Path, Hint: "the sensor's clock was wrong, and when they happened is not known"})
	}
	if c.Negative > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("durations below zero, taken as 0: %d", c.Negative),
			Where: f.Path, Hint: "the sensor's clock was set back while these connections lasted"})
	}
}

// longestLog is the longest time that one log is of: Zeek begins a new one each day at least.
const longestLog = 24 * time.Hour

// during is the time of a file's records, and of those that it may lack after the last; zero if it has none.
func (f *File) during(after time.Duration) hunt.Window {
	if f.Counts.First > f.Last {
		return hunt.Window{}
	}
	return hunt.Window{Start: time.UnixMilli(f.Counts.First).UTC(), End: time.UnixMilli(max(f.Last, f.End) + 1).Add(after).UTC()}
}

// badLines is the sentence about lines that are not records.
func badLines(c *Counts) string {
	if c.bad == 1 {
		return fmt.Sprintf("line %d is no record and was left out: %s", c.badLine, c.badWhy)
	}
	return fmt.Sprintf("%d lines are no records and were left out, the first is line %d: %s", c.bad, c.badLine, c.badWhy)
}
